"""A plug-in that tells more of the user in the root view."""

from typing import Any


def includeme(config: Any) -> None:
    config.add_request_method(get_user_info, name="get_user_info")


def get_user_info(request: Any) -> dict[str, Any]:
    groups = request.registry.permission.user_principals(request.prefixed_userid)
    return {"id": request.prefixed_userid, "groups": sorted(groups)}
