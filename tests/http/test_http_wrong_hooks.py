"""Code of an application that returns what it must not: 500, and a log that names the code."""

import inspect
from typing import Any

import pytest
from support.logged import capture_logs
from support.shared_apps import make_app

from cliquet import Service, resource
from cliquet.authorization import RouteFactory
from cliquet.testing.web import basic_auth

HEADERS = basic_auth()


class OpenSchema(resource.ResourceSchema):
    class Options:
        preserve_unknown = True


class Moss(resource.UserResource):
    mapping = OpenSchema()


class SharedMoss(resource.ShareableResource):
    name = "moss"
    mapping = OpenSchema()


class Nameless:
    """An object whose text is its address."""


class Named:
    def __str__(self) -> str:
        return "a name"


def refused(app: Any, method: str, path: str, body: Any = None) -> str:
    """Send a request that fails, and return the text of the one error in the log."""
    with capture_logs() as entries:
        send = {"params": body} if body is not None else {}
        call = getattr(app, f"{method}_json" if body is not None else method)
        response = call(path, headers=HEADERS, status=500, **send)
    assert response.json["errno"] == 999
    (entry,) = [entry for entry in entries if entry["log_level"] == "error"]
    assert "did not return" not in response.text
    return str(entry["event"])


def app_of(cls: Any) -> Any:
    return make_app([cls], settings={"moss_create_principals": "system.Authenticated"})


def uri_of_new(app: Any) -> str:
    """Create a record, and return its URI."""
    created = app.post_json("/v0/mosss", {"data": {}}, headers=HEADERS)
    return f"/v0/mosss/{created.json['data']['id']}"


@pytest.mark.clause("E-8.13")
@pytest.mark.parametrize("base", [Moss, SharedMoss])
@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_a_hook_that_returns_no_record_is_named(base: type, method: str) -> None:
    class Own(base):
        name = "moss"

        def process_record(self, new: Any, old: Any = None) -> Any:
            new = super().process_record(new, old=old)
            return None if new.get("is_lost") else new

    app = app_of(Own)
    uri = (
        f"/v0/mosss/{app.post_json('/v0/mosss', {'data': {}}, headers=HEADERS).json['data']['id']}"
    )
    body = {"data": {"is_lost": True}}

    told = refused(app, method, "/v0/mosss" if method == "post" else uri, body)

    line = inspect.getsourcelines(Own.process_record)[1]
    assert told == (
        f"{__file__}:{line}: {Own.__qualname__}.process_record() returned nothing; allowed: the "
        "record, a dictionary."
    )
    # Nothing of the request is kept.
    assert app.get("/v0/mosss", headers=HEADERS).json["data"] != []
    assert "is_lost" not in app.get(uri, headers=HEADERS).json["data"]


@pytest.mark.clause("E-8.13")
@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("apply_changes", "apply_changes() returned nothing; allowed: the record, a dictionary."),
        ("postprocess", "postprocess() returned nothing; allowed: the body, a dictionary with "),
    ],
)
def test_other_hooks_of_a_patch_that_return_nothing_are_named(hook: str, said: str) -> None:
    lost = []

    def own(self: Any, *args: Any, **kwargs: Any) -> Any:
        return None if lost else getattr(Moss, hook)(self, *args, **kwargs)

    app = app_of(type("Own", (Moss,), {hook: own, "name": "moss"}))
    uri = (
        f"/v0/mosss/{app.post_json('/v0/mosss', {'data': {}}, headers=HEADERS).json['data']['id']}"
    )
    lost.append(True)

    told = refused(app, "patch", uri, {"data": {"x": 1}})

    assert told.startswith(f"{__file__}:{inspect.getsourcelines(own)[1]}: Own.{said}")


@pytest.mark.clause("E-8.13", "P-11.1")
@pytest.mark.parametrize("parent", [5, 0, b"a", ["a"], False])
def test_a_parent_that_is_no_text_is_named(parent: bytes | int | list[str]) -> None:
    class Own(Moss):
        name = "moss"

        def get_parent_id(self, request: Any) -> Any:
            return parent

    told = refused(app_of(Own), "get", "/v0/mosss")

    line = inspect.getsourcelines(Own.get_parent_id)[1]
    assert told == (
        f"{__file__}:{line}: {Own.__qualname__}.get_parent_id() returned an object of the type "
        f"{type(parent).__name__}; allowed: a text."
    )


@pytest.mark.clause("E-8.13", "P-11.1")
def test_no_parent_is_the_empty_one() -> None:
    class Own(Moss):
        name = "moss"

        def get_parent_id(self, request: Any) -> Any:
            return None

    app_of(Own).get("/v0/mosss", headers=HEADERS, status=200)


def service_of(view: Any, **kwargs: Any) -> Any:
    service = Service(name="greeting", path="/greeting", **kwargs)
    service.get(permission=kwargs.pop("permission", "private"))(view)
    return lambda config: config.add_cornice_service(service)


@pytest.mark.clause("E-8.13", "P-35.8")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Nameless(), "an object of the type Nameless"),
        ({"a": [Nameless()]}, "an object of the type Nameless"),
        ({"a": app_of}, "the function app_of itself"),
        ({"a": {}.get}, "the function dict.get itself"),
        (Moss, "the class Moss itself"),
    ],
    ids=["object", "nested", "function", "method", "class"],
)
def test_a_view_that_returns_what_json_cannot_hold_is_named(value: object, said: str) -> None:
    def view(request: Any) -> Any:
        return value

    told = refused(make_app(configure=service_of(view)), "get", "/v0/greeting")

    assert told.startswith(
        f"{__file__}:{inspect.getsourcelines(view)[1]}: {view.__qualname__}() returned {said}, "
        "which JSON cannot hold; allowed: "
    )


@pytest.mark.clause("E-8.13", "P-35.8")
def test_a_view_that_returns_a_coroutine_is_named() -> None:
    async def work() -> dict[str, Any]:
        return {}

    def view(request: Any) -> Any:
        return {"a": work()}

    told = refused(make_app(configure=service_of(view)), "get", "/v0/greeting")

    assert f"{view.__qualname__}() returned a coroutine of {work.__qualname__}, which noth" in told


@pytest.mark.clause("E-8.13", "P-35.8")
@pytest.mark.parametrize("method", ["post", "put", "patch"])
@pytest.mark.parametrize("value", [Nameless(), [Nameless()]])
def test_a_hook_that_gives_a_record_what_json_cannot_hold_is_named(
    method: str, value: object
) -> None:
    class Own(Moss):
        name = "moss"

        def process_record(self, new: Any, old: Any = None) -> Any:
            return {**new, "x": value} if new.get("is_lost") else new

    app = app_of(Own)
    uri = (
        f"/v0/mosss/{app.post_json('/v0/mosss', {'data': {}}, headers=HEADERS).json['data']['id']}"
    )

    told = refused(
        app, method, "/v0/mosss" if method == "post" else uri, {"data": {"is_lost": True}}
    )

    line = inspect.getsourcelines(Own.process_record)[1]
    assert told.startswith(
        f"{__file__}:{line}: {Own.__qualname__}.process_record(), or the schema of the class, "
        "gives the member 'x' the value of an object of the type Nameless, which JSON cannot hold; "
    )


@pytest.mark.clause("E-8.13", "P-11.4")
@pytest.mark.parametrize("method", ["post", "put", "patch", "get", "delete", "list", "clear"])
def test_a_hook_that_returns_no_body_is_named(method: str) -> None:
    lost = []

    class Own(Moss):
        name = "moss"

        def postprocess(self, result: Any, *args: Any, **kwargs: Any) -> Any:
            body = super().postprocess(result, *args, **kwargs)
            return None if lost else body

    app = app_of(Own)
    uri = (
        f"/v0/mosss/{app.post_json('/v0/mosss', {'data': {}}, headers=HEADERS).json['data']['id']}"
    )
    lost.append(True)
    if method in ("post", "list", "clear"):
        uri = "/v0/mosss"
    sent = {"data": {}} if method in ("post", "put", "patch") else None

    told = refused(app, {"list": "get", "clear": "delete"}.get(method, method), uri, sent)

    line = inspect.getsourcelines(Own.postprocess)[1]
    assert told.startswith(
        f"{__file__}:{line}: {Own.__qualname__}.postprocess() returned nothing; allowed: the body, "
    )


@pytest.mark.clause("E-8.13")
def test_a_method_of_a_resource_that_returns_what_json_cannot_hold_is_named() -> None:
    class Own(Moss):
        name = "moss"

        def collection_get(self) -> Any:
            return {"data": self.get_parent_id}

    told = refused(app_of(Own), "get", "/v0/mosss")

    assert f"{Own.__qualname__}.collection_get() returned the function " in told
    assert told.startswith(f"{__file__}:{inspect.getsourcelines(Own)[1]}: ")


@pytest.mark.clause("P-35.8")
def test_objects_with_a_text_of_their_own_are_rendered() -> None:
    def view(request: Any) -> Any:
        return {"a": Named(), "b": ValueError("x"), "c": (i for i in (1, 2))}

    app = make_app(configure=service_of(view))

    assert app.get("/v0/greeting", headers=HEADERS).json == {"a": "a name", "b": "x", "c": [1, 2]}


@pytest.mark.clause("E-8.13")
@pytest.mark.parametrize("permission", ["read", "dynamic", "admin"])
def test_a_permission_that_is_unknown_without_context_is_named(permission: str) -> None:
    def view(request: Any) -> Any:
        return {}

    def configure(config: Any, **kwargs: Any) -> None:
        service = Service(name="greeting", path="/greeting", **kwargs)
        service.get(permission=permission)(view)
        config.add_cornice_service(service)

    told = refused(make_app(configure=configure), "get", "/v0/greeting")
    known = make_app(configure=lambda config: configure(config, factory=RouteFactory))

    assert told.startswith(
        f"{__file__}:{inspect.getsourcelines(view)[1]}: {view.__qualname__}() has the permission "
        f"'{permission}', which is only known of a context such as "
        "cliquet.authorization.RouteFactory; allowed: 'private', "
    )
    known.get("/v0/greeting", headers=HEADERS, status=403)
