"""Several requests in one, in one transaction (section 25)."""

from __future__ import annotations

import copy
from typing import Any

import colander
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import (
    authorization,
    errors,
    events,
    http,
    jsonio,
    logs,
    settings,
    transactions,
    urls,
    utils,
)
from cliquet.service import Service
from cliquet.validation import read_body

__all__ = ["batch", "validate_batch"]

METHODS = ("GET", "HEAD", "DELETE", "TRACE", "POST", "PUT", "PATCH")

_RECURSIVE = "Recursive call on /batch endpoint is forbidden."

batch = Service(name="batch", path="/batch", description="Batch operations")


class _Text(colander.SchemaType):  # type: ignore[misc]  # colander has no types
    """A JSON text, empty or not; null counts as absent."""

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        if cstruct is None or cstruct is colander.null:
            return colander.null
        if not isinstance(cstruct, str):
            raise colander.Invalid(node, f"{jsonio.dumps(cstruct).decode()} is not a string")
        return cstruct


class _Object(colander.Mapping):  # type: ignore[misc]  # colander has no types
    """A JSON object of any members; null counts as absent."""

    def __init__(self) -> None:
        super().__init__(unknown="preserve")

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        return super().deserialize(node, colander.null if cstruct is None else cstruct)


class _Body(_Object):
    """A JSON object; or an array, which :func:`_only_patches_are_arrays` judges."""

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        return cstruct if isinstance(cstruct, list) else super().deserialize(node, cstruct)


def _only_patches_are_arrays(node: Any, item: dict[str, Any]) -> None:
    body = item.get("body")
    # Any other array is the fault that it was before there was JSON Patch (H-25.3, E-4.1).
    if isinstance(body, list) and http.media_type(item.get("headers", {})) != http.JSON_PATCH:
        try:
            _Object().deserialize(node["body"], body)
        except colander.Invalid as invalid:
            error = colander.Invalid(node)
            error.add(invalid, node.children.index(node["body"]))
            raise error from None


def _only_texts(node: Any, value: dict[str, Any]) -> None:
    if not all(isinstance(item, str) for item in value.values()):
        raise colander.Invalid(node, f"{value} contains non string value")


def _subrequest_schema(name: str, **path_options: Any) -> colander.SchemaNode:
    """Return the schema of an item of ``requests``, or of ``defaults`` (H-25.3)."""
    return colander.SchemaNode(
        colander.Mapping(),
        colander.SchemaNode(
            _Text(),
            name="method",
            validator=colander.OneOf(METHODS),
            missing=colander.drop,
        ),
        colander.SchemaNode(_Text(), name="path", validator=colander.Regex("^/"), **path_options),
        colander.SchemaNode(
            _Object(), name="headers", validator=_only_texts, missing=colander.drop
        ),
        colander.SchemaNode(_Body(), name="body", missing=colander.drop),
        name=name,
        validator=_only_patches_are_arrays,
    )


_DEFAULTS = _subrequest_schema("defaults", missing=colander.drop)
_REQUESTS = colander.SchemaNode(colander.Sequence(), _subrequest_schema("request"), name="requests")


def validate_batch(request: Request, **kwargs: Any) -> None:
    """Read the body of a batch into ``request.validated``, or collect its faults (H-25.5)."""
    body = read_body(request)
    if body is None:
        return
    if "requests" not in body:
        request.errors.add("body", "requests", "requests is missing")
        return
    requests = body["requests"]
    defaults = body.get("defaults")
    if defaults is not None:
        _deserialize(request, _DEFAULTS, defaults)
        if isinstance(defaults, dict) and isinstance(requests, list):
            requests = [_with_defaults(item, defaults) for item in requests]
    validated = _deserialize(request, _REQUESTS, colander.null if requests is None else requests)
    if not request.errors:
        request.validated["requests"] = validated
        _refuse_excess(request, len(validated))


def _with_defaults(item: Any, defaults: dict[str, Any]) -> Any:
    """Return an item of ``requests``, completed where it says nothing itself (H-25.7)."""
    if not isinstance(item, dict):
        return item
    merged, defaults = copy.deepcopy(item), copy.deepcopy(defaults)
    own, default = item.get("headers"), defaults.get("headers")
    if isinstance(own, dict) and isinstance(default, dict):
        # The same header may be written in several ways.
        names = {name.lower() for name in own}
        defaults["headers"] = {n: v for n, v in default.items() if n.lower() not in names}
    utils.merge_dicts(merged, defaults)
    return merged


def _deserialize(request: Request, node: colander.SchemaNode, value: Any) -> Any:
    try:
        return node.deserialize(value)
    except colander.Invalid as invalid:
        for name, description in invalid.asdict().items():
            request.errors.add("body", name, description)
    return None


def _refuse_excess(request: Request, number: int) -> None:
    limit = settings.read(request.registry.settings, "batch_max_requests")
    if limit and number > limit:
        request.errors.add("body", "requests", f"Number of requests is limited to {limit}")


@batch.post(permission=NO_PERMISSION_REQUIRED, validators=(validate_batch,))
def post_batch(request: Request) -> dict[str, Any]:
    """Process the requests in order, each seeing what the previous ones did (H-25.12).

    An error below 500 is embedded, and what its sub-request did is undone (X-23). Any other failure
    fails the whole batch, and undoes everything (H-25.20, D-38).
    """
    if getattr(request, "parent", None) is not None:
        # Reached through a redirection; the paths given are judged below.
        errors.raise_invalid(request, name="requests", description=_RECURSIVE)
    subrequests = [http.build_request(request, item) for item in request.validated["requests"]]
    find_route = request.registry.getUtility(IRoutesMapper)
    for subrequest in subrequests:
        if _addresses_batch(find_route, subrequest):
            errors.raise_invalid(request, name="requests", description=_RECURSIVE)

    responses = []
    for subrequest in subrequests:
        # What a sub-request binds to the log is its own (S-23.23).
        with logs.scope():
            answer = _process(request, subrequest)
            logs.logger.info(
                "subrequest.summary",
                path=urls.escaped_path(answer.request),
                method=answer.request.method,
                code=answer.response.status_code,
            )
        responses.append(http.build_response(answer.response, answer.request))
    logs.bind(path=batch.path, batch_size=len(responses))
    return {"responses": responses}


def _addresses_batch(find_route: Any, subrequest: Request) -> bool:
    """Whether a path leads to this endpoint, however it is written (D-22)."""
    try:
        route = find_route(subrequest)["route"]
    except UnicodeDecodeError:
        # Answered with 400 when its turn comes (D-36).
        return False
    path = subrequest.path_info
    redirects = settings.read(subrequest.registry.settings, "trailing_slash_redirect_enabled")
    if route is None and redirects and path.endswith("/"):
        redirected = subrequest.copy_get()
        redirected.path_info = path.rstrip("/")
        route = find_route(redirected)["route"]
    return route is not None and route.name == batch.name


def _process(request: Request, subrequest: Request) -> http.Answer:
    """Answer a sub-request, and undo what it did if it ended in an error (X-23).

    Raises
    ------
    Exception : it failed with 500 or more.
    """
    undo = transactions.savepoint(request)
    bound_data = events.snapshot(request)
    answer = http.answer_subrequest(request, subrequest, use_tweens=False)
    # A 304 is raised too, and is no error.
    if answer.was_raised and answer.response.status_code >= 400:
        undo()
        events.restore(request, bound_data)
        if not errors.has_json_body(answer.response):
            # What an application makes of its own exceptions may be anything (H-26.11).
            errors.http_error(answer.response, errno=errors.ERRORS.UNDEFINED)
    elif subrequest.method not in ("GET", "HEAD") and not _has_created(answer):
        # Its application may have changed permissions behind the back of the models.
        authorization.forget_granted(request.bound_data)
    return answer


def _has_created(answer: http.Answer) -> bool:
    """Whether a sub-request made a record, which changes the permissions of no other object."""
    is_resource = utils.current_resource_name(answer.request) is not None
    return is_resource and answer.response.status_code == 201
