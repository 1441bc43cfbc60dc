"""Shareable resources, and what tests of permissions need around them."""

from typing import Any

import colander
from webtest import TestApp

from cliquet import resource
from support.shared_apps import make_app

URL = "/v0/toadstools"
COLLECTION = "/toadstools"
AMANITAS = "/v0/amanitas"
BODY = {"data": {"name": "death cap"}}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000001"


class Toadstool(resource.ShareableResource):
    """One mandatory field, and a unique one."""

    class ToadstoolSchema(resource.ResourceSchema):
        class Options:
            unique_fields = ("code",)

        name = colander.SchemaNode(colander.String())
        code = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = ToadstoolSchema()


class Amanita(resource.ShareableResource):
    """No field, and everything is kept."""

    class AmanitaSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = AmanitaSchema()


class Cap(resource.ShareableResource):
    """Records below another object, named by the URL."""

    class CapSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = CapSchema()

    def get_parent_id(self, request: Any) -> str:
        return f"/forests/{request.matchdict['forest_id']}"


CAP = (
    Cap,
    {
        "collection_path": "/forests/{{forest_id}}/caps",
        "record_path": "/forests/{{forest_id}}/caps/{{id}}",
    },
)


def make_sharing_app(
    settings: Any = None, *, resources: Any = (Toadstool, Amanita, CAP), configure: Any = None
) -> TestApp:
    """Return a client of an application with the resources above."""
    return make_app(resources, settings=settings, configure=configure)


def user_id(app: TestApp, headers: Any) -> Any:
    """Return the prefixed id of a user."""
    return app.get("/v0/", headers=headers).json["user"]["id"]


def object_id(url: Any) -> Any:
    """Return the URI that permissions of a URL are kept under."""
    return url.removeprefix("/v0")


def grant(app: TestApp, uri: Any, permission: Any, *principals: Any) -> None:
    for principal in principals:
        app.app.registry.permission.add_principal_to_ace(uri, permission, principal)


def permissions_of(app: TestApp, uri: Any) -> Any:
    return app.app.registry.permission.object_permissions(uri)


def store(app: TestApp, url: Any = URL, **fields: Any) -> dict[Any, Any]:
    """Store a record on which nobody has any permission, and return it with its URL."""
    name = url.rsplit("/", 1)[1].removesuffix("s")
    parent_id = object_id(url).rpartition("/")[0]
    record = app.app.registry.storage.create(name, parent_id, {"name": "fly agaric", **fields})
    return {**record, "url": f"{url}/{record['id']}"}


def contents(app: TestApp, name: str = "toadstool", parent_id: str = "") -> Any:
    """Return every record and tombstone of a collection, and its timestamp."""
    storage = app.app.registry.storage
    records, _ = storage.get_all(name, parent_id, include_deleted=True)
    timestamp = storage.collection_timestamp(name, parent_id)
    return sorted(records, key=lambda record: record["id"]), timestamp


def ids(response: Any) -> set[Any]:
    return {record["id"] for record in response.json["data"]}


def error(response: Any) -> Any:
    """Return what tells one refusal from another."""
    return tuple(response.json.get(member) for member in ("code", "errno", "error", "message"))


FORBIDDEN = (403, 121, "Forbidden", "This user cannot access this resource.")
UNAUTHORIZED = (
    401,
    104,
    "Unauthorized",
    "Please authenticate yourself to use this endpoint.",
)
NOT_FOUND = (404, 111, "Not Found", "The resource you are looking for could not be found.")


def send_content(
    app: TestApp, method: str, url: Any, content: Any, headers: Any, status: int | str = "*"
) -> Any:
    """Send a body in JSON; or none, if there is no content."""
    if content is None:
        return app.request(url, method=method, headers=headers, status=status)
    return getattr(app, f"{method.lower()}_json")(url, content, headers=headers, status=status)


def send(
    app: TestApp, method: Any, url: Any, headers: Any = None, body: Any = None, status: Any = None
) -> Any:
    """Send a request, with a body that is valid unless it is given, if the method has one."""
    content = (body or BODY) if method in ("POST", "PUT", "PATCH") else None
    return send_content(app, method, url, content, headers or {}, status or "*")


def target_url(app: TestApp, target: Any) -> Any:
    """Return the URL of a target of the table, made for the occasion."""
    if target == "unknown":
        return f"{URL}/{UNKNOWN_ID}"
    record = store(app)
    if target == "deleted":
        app.app.registry.storage.delete("toadstool", "", record["id"])
    return URL if target == "collection" else record["url"]
