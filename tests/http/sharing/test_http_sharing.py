"""Who may do what on shareable resources (H-5)."""

from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import IAuthorizationPolicy
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from support.sharing import (
    BODY,
    CAP,
    COLLECTION,
    FORBIDDEN,
    UNAUTHORIZED,
    UNKNOWN_ID,
    URL,
    Toadstool,
    contents,
    error,
    grant,
    ids,
    make_sharing_app,
    object_id,
    permissions_of,
    send,
    store,
    target_url,
    user_id,
)
from webtest import TestApp

from cliquet import Service
from cliquet.authorization import AuthorizationPolicy, RouteFactory
from cliquet.testing.faults import FaultyBackend
from cliquet.testing.web import basic_auth

# The table of H-5.4

COLLECTION_WIDE = [("collection", name) for name in ("read", "write", "toadstool:create")]
RECORD_WIDE = [("record", name) for name in ("read", "write", "toadstool:create")]
ALL_GRANTS = COLLECTION_WIDE + RECORD_WIDE

# Method, target, status when allowed, permissions any of which is enough. `write` implies `read`.
TABLE = [
    ("GET", "collection", 200, [("collection", "read"), ("collection", "write")]),
    ("HEAD", "collection", 200, [("collection", "read"), ("collection", "write")]),
    ("POST", "collection", 201, [("collection", "toadstool:create")]),
    ("DELETE", "collection", 200, [("collection", "write")]),
    ("GET", "record", 200, [("record", "read"), ("record", "write")]),
    ("HEAD", "record", 200, [("record", "read"), ("record", "write")]),
    ("PUT", "record", 200, [("record", "write")]),
    ("PUT", "unknown", 201, [("collection", "toadstool:create")]),
    ("PUT", "deleted", 201, [("collection", "toadstool:create")]),
    ("PATCH", "record", 200, [("record", "write")]),
    ("DELETE", "record", 200, [("record", "write")]),
]
SHARED_LISTINGS = {
    "GET": [("record", "read"), ("record", "write")],
    "HEAD": [("record", "read"), ("record", "write")],
    "DELETE": [("record", "write")],
}


def grant_all(app: TestApp, grants: Any, record_url: Any, principal: Any) -> None:
    for kind, permission in grants:
        uri = COLLECTION if kind == "collection" else object_id(record_url)
        grant(app, uri, permission, principal)


@pytest.mark.clause("H-5.4", "H-5.5", "H-5.9", "P-25.6", "P-25.7", "P-25.8", "X-4")
@pytest.mark.parametrize(
    ("method", "target", "status", "sufficient"),
    [
        (method, target, status, sufficient)
        for method, target, status, all_sufficient in TABLE
        for sufficient in all_sufficient
    ],
)
def test_one_permission_allows_a_request(
    app: TestApp,
    headers: dict[str, str],
    me: str,
    method: str,
    target: str,
    status: int,
    sufficient: tuple[Any, ...],
) -> None:
    url = target_url(app, target)
    grant_all(app, [sufficient], url, me)

    response = send(app, method, url, headers)

    assert response.status_code == status


@pytest.mark.clause("H-5.4", "H-5.10", "H-5.16")
@pytest.mark.parametrize(("method", "target", "status", "sufficient"), TABLE)
def test_all_other_permissions_do_not_allow_it(
    app: TestApp,
    headers: dict[str, str],
    me: str,
    method: str,
    target: str,
    status: int,
    sufficient: list[Any],
) -> None:
    url = target_url(app, target)
    shared = SHARED_LISTINGS.get(method, []) if target == "collection" else []
    others = [pair for pair in ALL_GRANTS if pair not in (*sufficient, *shared)]
    if target == "collection":
        grant_all(app, [pair for pair in others if pair[0] == "collection"], url, me)
        grant_all(app, [pair for pair in others if pair[0] == "record"], store(app)["url"], me)
    else:
        grant_all(app, others, url, me)
    before = contents(app)

    response = send(app, method, url, headers)

    assert response.status_code == 403
    if method != "HEAD":
        assert error(response) == FORBIDDEN
    assert contents(app) == before


@pytest.mark.clause("H-5.16", "H-4.9")
@pytest.mark.parametrize(("method", "target", "status", "sufficient"), TABLE)
def test_an_anonymous_request_without_permission_is_asked_to_authenticate(
    app: TestApp, method: str, target: str, status: int, sufficient: list[Any]
) -> None:
    url = target_url(app, target)
    before = contents(app)

    response = send(app, method, url)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Realm"'
    if method != "HEAD":
        assert error(response) == UNAUTHORIZED
    assert contents(app) == before


@pytest.mark.clause("H-5.4")
def test_what_does_not_reach_the_resource_needs_no_permission(
    app: TestApp, record: dict[str, Any]
) -> None:
    assert app.options(URL, status=200).headers["Allow"]
    assert app.options(record["url"], status=200).headers["Allow"]
    app.put_json(URL, BODY, status=405)
    app.post_json(record["url"], BODY, status=405)
    app.get(URL, headers={"Accept": "text/html"}, status=406)
    app.post(URL, "{}", headers={"Content-Type": "text/plain"}, status=415)


@pytest.mark.clause("H-5.4", "H-33.3", "D-72")
def test_a_preflight_needs_no_permission(app: TestApp, record: dict[str, Any]) -> None:
    asked = {"Origin": "http://a.example", "Access-Control-Request-Method": "PUT"}

    response = app.options(record["url"], headers=asked, status=200)

    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.clause("H-5.4", "P-12.3", "B-20.3")
def test_all_users_share_one_collection_and_its_timestamp(
    app: TestApp, headers: dict[str, str], other_headers: dict[str, str]
) -> None:
    grant(app, COLLECTION, "read", "system.Authenticated")
    grant(app, COLLECTION, "toadstool:create", "system.Authenticated")
    mine = app.post_json(URL, BODY, headers=headers).json["data"]
    theirs = app.post_json(URL, BODY, headers=other_headers).json["data"]

    one, other = app.get(URL, headers=headers), app.get(URL, headers=other_headers)

    assert ids(one) == ids(other) == {mine["id"], theirs["id"]}
    assert one.headers["ETag"] == other.headers["ETag"] == f'"{theirs["last_modified"]}"'


@pytest.mark.clause("H-5.5", "P-25.8")
def test_the_uri_of_an_object_does_not_tell_the_version(headers: dict[str, str]) -> None:
    app = make_app([Toadstool], version="3.1")
    me = app.get("/v3/", headers=headers).json["user"]["id"]
    grant(app, COLLECTION, "toadstool:create", me)

    created = app.post_json("/v3/toadstools", BODY, headers=headers, status=201)

    uri = f"/toadstools/{created.json['data']['id']}"
    assert permissions_of(app, uri) == {"write": {me}}


@pytest.mark.clause("H-5.5", "P-25.8")
def test_the_uri_of_an_object_does_not_tell_where_the_service_is_mounted(
    app: TestApp, headers: dict[str, str], me: str
) -> None:
    grant(app, COLLECTION, "toadstool:create", me)
    mounted = {"SCRIPT_NAME": "/app"}

    posted = app.post_json(URL, BODY, headers=headers, extra_environ=mounted, status=201)
    put = app.put_json(
        f"{URL}/{UNKNOWN_ID}", BODY, headers=headers, extra_environ=mounted, status=201
    )

    for response in (posted, put):
        uri = f"/toadstools/{response.json['data']['id']}"
        assert permissions_of(app, uri) == {"write": {me}}


@pytest.mark.clause("P-25.7")
def test_a_url_variable_with_a_pattern_names_the_collection_too(headers: dict[str, str]) -> None:
    caps = (
        CAP[0],
        {
            "collection_path": "/forests/{{forest_id:[a-z]{{3}}}}/caps",
            "record_path": "/forests/{{forest_id:[a-z]{{3}}}}/caps/{{id}}",
        },
    )
    app = make_sharing_app(resources=[caps])
    grant(app, "/forests/oak/caps", "cap:create", "system.Authenticated")

    app.put_json(f"/v0/forests/oak/caps/{UNKNOWN_ID}", BODY, headers=headers, status=201)
    app.put_json(f"/v0/forests/elm/caps/{UNKNOWN_ID}", BODY, headers=headers, status=403)


# Principals (H-5.6)


@pytest.mark.clause("H-5.6")
@pytest.mark.parametrize(
    ("principal", "anonymous_status", "status"),
    [
        ("system.Everyone", 200, 200),
        ("system.Authenticated", 401, 200),
        ("{policy}:{hash}", 401, 200),
        ("{policy}_{hash}", 401, 200),
        ("group:pickers", 401, 200),
        ("{hash}", 401, 403),
        ("{policy}", 401, 403),
        ("group:others", 401, 403),
    ],
)
def test_principals_of_a_request(
    app: TestApp,
    headers: dict[str, str],
    me: str,
    record: dict[str, Any],
    principal: str,
    anonymous_status: int,
    status: int,
) -> None:
    app.app.registry.permission.add_user_principal(me, "group:pickers")
    policy, hashed = me.split(":")
    grant(app, object_id(record["url"]), "read", principal.format(policy=policy, hash=hashed))

    app.get(record["url"], status=anonymous_status)
    app.get(record["url"], headers=headers, status=status)


@pytest.mark.clause("H-4.11", "H-5.15")
def test_bad_credentials_leave_what_is_public(app: TestApp, record: dict[str, Any]) -> None:
    grant(app, object_id(record["url"]), "read", "system.Everyone")

    app.get(record["url"], headers={"Authorization": "Basic !"}, status=200)
    app.patch_json(record["url"], BODY, headers={"Authorization": "Basic !"}, status=401)


@pytest.mark.clause("B-20.7", "P-25.2", "H-4.13")
def test_groups_are_looked_up_once_for_a_batch(
    app: TestApp, headers: dict[str, str], me: str, record: dict[str, Any]
) -> None:
    asked = []
    backend = app.app.registry.permission

    def user_principals(user: Any) -> set[Any]:
        asked.append(user)
        return {"group:pickers"}

    app.app.registry.permission = FaultyBackend(backend, user_principals=user_principals)
    backend.add_principal_to_ace(object_id(record["url"]), "read", "group:pickers")
    requests = [{"path": record["url"]}, {"path": record["url"]}, {"path": URL}]

    for number in (2, 3):
        asked.clear()
        body = {"requests": requests[:number]}
        response = app.post_json("/v0/batch", body, headers=headers)
        assert [item["status"] for item in response.json["responses"]] == [200] * number
        # A list asks again, unless its own statement tells that there are no more groups by then.
        assert asked in ([me], [me] * (number - 1))


@pytest.mark.clause("D-48", "B-22.37")
@pytest.mark.parametrize("group", ["group:o'neil", "group:%", "group:*", 'group:"', "group:a_b.c"])
def test_a_user_is_served_whatever_the_names_of_its_groups(
    app: TestApp, headers: dict[str, str], me: str, record: dict[str, Any], group: str
) -> None:
    app.app.registry.permission.add_user_principal(me, group)
    other = store(app)
    grant(app, object_id(record["url"]), "read", group)
    grant(app, object_id(other["url"]), "read", "group:aXbYc")

    app.get(record["url"], headers=headers, status=200)
    app.get(other["url"], headers=headers, status=403)
    assert ids(app.get(URL, headers=headers)) == {record["id"]}


# Settings (H-5.7, H-5.8)


@pytest.mark.clause("H-5.7", "S-17.1", "S-17.2", "X-3")
@pytest.mark.setting("{resource_name}_{permission}_principals")
@pytest.mark.parametrize(
    ("permission", "method", "target", "status"),
    [
        ("read", "GET", "collection", 200),
        ("read", "GET", "record", 200),
        ("write", "DELETE", "collection", 200),
        ("write", "PUT", "record", 200),
        ("write", "PATCH", "record", 200),
        ("write", "DELETE", "record", 200),
        ("create", "POST", "collection", 201),
        ("create", "PUT", "unknown", 201),
        ("create", "PUT", "deleted", 201),
    ],
)
def test_a_setting_grants_a_permission_on_all_records(
    headers: dict[str, str], permission: str, method: str, target: str, status: int
) -> None:
    setting = f"toadstool_{permission}_principals"
    app = make_sharing_app({setting: "system.Authenticated"})
    url = target_url(app, target)

    assert send(app, method, url, headers).status_code == status
    assert send(app, method, target_url(app, target)).status_code == 401


@pytest.mark.clause("D-45", "X-7", "S-17.4", "S-23.12")
@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n", "\n    ", " ,\n"])
def test_principals_of_a_setting_are_separated_by_commas_or_white_space(
    headers: dict[str, str], separator: str
) -> None:
    anybody = make_sharing_app()
    me = user_id(anybody, headers)
    app = make_sharing_app(
        {"toadstool_create_principals": separator.join(["group:admins", me, "group:last"])}
    )
    other = basic_auth("bob", "3")
    app.app.registry.permission.add_user_principal(user_id(app, other), "group:last")

    app.post_json(URL, BODY, headers=headers, status=201)
    app.post_json(URL, BODY, headers=other, status=201)
    app.post_json(URL, BODY, headers=basic_auth("eve"), status=403)


@pytest.mark.clause("H-5.8", "X-3", "S-17.3", "S-23.11")
def test_a_setting_that_does_not_match_leaves_stored_permissions(headers: dict[str, str]) -> None:
    app = make_sharing_app({"toadstool_read_principals": "group:admins"})
    shared, hidden = store(app), store(app)
    grant(app, object_id(shared["url"]), "read", user_id(app, headers))

    app.get(shared["url"], headers=headers, status=200)
    app.get(hidden["url"], headers=headers, status=403)
    assert ids(app.get(URL, headers=headers)) == {shared["id"]}


@pytest.mark.clause("X-3")
def test_a_setting_that_matches_does_not_ask_the_backend(headers: dict[str, str]) -> None:
    app = make_sharing_app({"toadstool_read_principals": "system.Authenticated"})
    record = store(app)
    asked = []
    app.app.registry.permission = FaultyBackend(
        app.app.registry.permission,
        check_permission=lambda *args, **kwargs: asked.append(args),
        principals_accessible_objects=lambda *args, **kwargs: asked.append(args),
    )

    app.get(record["url"], headers=headers, status=200)
    response = app.get(URL, headers=headers, status=200)

    assert ids(response) == {record["id"]}
    assert asked == []


@pytest.mark.clause("X-20")
def test_a_setting_that_lets_write_lets_read(headers: dict[str, str]) -> None:
    app = make_sharing_app({"toadstool_write_principals": "system.Authenticated"})
    record = store(app)

    app.get(record["url"], headers=headers, status=200)
    assert ids(app.get(URL, headers=headers)) == {record["id"]}
    app.post_json(URL, BODY, headers=headers, status=403)


@pytest.mark.clause("S-17.5")
def test_settings_are_read_at_each_request(
    app: TestApp, headers: dict[str, str], record: dict[str, Any]
) -> None:
    app.get(record["url"], headers=headers, status=403)

    app.app.registry.settings["toadstool_read_principals"] = "system.Authenticated"

    app.get(record["url"], headers=headers, status=200)


# Inheritance (H-5.10, H-5.11)


@pytest.mark.clause("H-5.10", "X-4")
def test_a_creator_reads_what_it_created(
    app: TestApp, headers: dict[str, str], other_headers: dict[str, str]
) -> None:
    grant(app, COLLECTION, "toadstool:create", "system.Authenticated")
    created = app.post_json(URL, BODY, headers=headers, status=201).json

    url = f"{URL}/{created['data']['id']}"
    assert list(created["permissions"]) == ["write"]
    assert app.get(url, headers=headers, status=200).json == created
    assert ids(app.get(URL, headers=headers)) == {created["data"]["id"]}
    app.get(url, headers=other_headers, status=403)


@pytest.mark.clause("H-5.10")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_permission_on_the_collection_does_not_extend_to_records(
    app: TestApp, headers: dict[str, str], me: str, record: dict[str, Any], method: str
) -> None:
    for permission in ("read", "write"):
        grant(app, COLLECTION, permission, me)

    assert error(send(app, method, record["url"], headers)) == FORBIDDEN


def owned_by_oak(uri: Any, permission: Any) -> list[Any]:
    """Let whoever has a permission on the oak have it on every object."""
    return [(uri, permission), ("/trees/oak", permission)]


class OakPolicy(AuthorizationPolicy):
    def get_bound_permissions(self, object_id: Any, permission: Any) -> Any:
        return owned_by_oak(object_id, permission)


def set_on_instance(config: Any) -> None:
    config.commit()
    config.registry.queryUtility(IAuthorizationPolicy).get_bound_permissions = owned_by_oak


@pytest.mark.clause("H-5.11", "P-25.4", "P-35.2", "X-4", "X-20")
@pytest.mark.parametrize("way", ["instance", "method"])
def test_an_application_plugs_its_own_inheritance(headers: dict[str, str], way: str) -> None:
    if way == "instance":
        app = make_sharing_app(configure=set_on_instance)
    else:
        policy = f"{__name__}.OakPolicy"
        app = make_sharing_app({"multiauth.authorization_policy": policy})
    me = user_id(app, headers)
    record, written = store(app), store(app)
    grant(app, object_id(written["url"]), "write", me)
    app.get(record["url"], headers=headers, status=403)
    # It replaces the default: write does not imply read any more.
    app.get(written["url"], headers=headers, status=403)
    app.get(URL, headers=headers, status=403)

    grant(app, "/trees/oak", "read", me)

    app.get(record["url"], headers=headers, status=200)
    assert ids(app.get(URL, headers=headers, status=200)) == {record["id"], written["id"]}
    app.patch_json(record["url"], BODY, headers=headers, status=403)


def read_by_pickers(uri: Any, permission: Any) -> list[Any]:
    return [(uri, permission), (uri, "pick")]


@pytest.mark.clause("H-5.11", "H-5.12")
def test_inheritance_extends_shared_listings(headers: dict[str, str]) -> None:
    def configure(config: Any) -> None:
        config.commit()
        policy = config.registry.queryUtility(IAuthorizationPolicy)
        policy.get_bound_permissions = read_by_pickers

    app = make_sharing_app(configure=configure)
    shared, _hidden = store(app), store(app)
    grant(app, object_id(shared["url"]), "pick", user_id(app, headers))

    assert ids(app.get(URL, headers=headers, status=200)) == {shared["id"]}


class ClosedPolicy(AuthorizationPolicy):
    """Refuses whatever the settings and the permissions grant."""

    def permits(self, context: Any, principals: Any, permission: Any) -> Any:
        principals.append("a fresh list")
        return super().permits(context, principals, permission) and "group:open" in principals


@pytest.mark.clause("X-20", "P-35.2")
def test_the_policy_of_the_application_is_always_asked(headers: dict[str, str]) -> None:
    app = make_sharing_app(
        {
            "multiauth.authorization_policy": f"{__name__}.ClosedPolicy",
            "toadstool_read_principals": "system.Everyone",
        }
    )
    record = store(app)
    app.get(record["url"], headers=headers, status=403)

    app.app.registry.permission.add_user_principal(user_id(app, headers), "group:open")

    app.get(record["url"], headers=headers, status=200)


# The context of other services


@pytest.mark.clause("S-23.18")
def test_a_shareable_resource_without_permission_backend_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match=r"permission .* toadstool"):
        make_app([Toadstool], settings={"permission_backend": ""})


@pytest.mark.clause("P-34.24", "P-25.6", "P-35.13")
def test_the_context_of_a_service_that_is_no_resource_needs_no_permission_backend(
    headers: dict[str, str],
) -> None:
    contexts = []

    def configure(config: Any) -> None:
        service = Service(name="weather", path="/weather", factory=RouteFactory)

        def get_weather(request: Any) -> dict[Any, Any]:
            contexts.append(request.context)
            return {}

        service.add_view("GET", get_weather, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    app = make_app(settings={"permission_backend": ""}, configure=configure)

    app.get("/v0/weather", headers=headers, status=200)

    context = contexts[0]
    assert context.resource_name is None
    assert context.on_collection is False
    assert context.required_permission is None
    assert context.allowed_principals is None
    assert context.permission_object_id is None
    assert context.current_record is None
    assert context.get_shared_ids is None
    assert context.shared_ids == []


class WeatherContext(RouteFactory):
    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.resource_name = "weather"
        self.permission_object_id = "/stations/oslo"
        self.required_permission = "create"


@pytest.mark.clause("P-25.10", "P-25.3")
def test_a_custom_service_sets_its_requirement_by_hand(headers: dict[str, str]) -> None:
    def configure(config: Any) -> None:
        service = Service(name="weather", path="/weather", factory=WeatherContext)
        service.add_view("POST", lambda request: {}, permission="dynamic", schema=None)
        config.add_cornice_service(service)

    app = make_app(configure=configure)
    app.post("/v0/weather", headers=headers, status=403)
    app.post("/v0/weather", status=401)

    grant(app, "/stations/oslo", "weather:create", user_id(app, headers))

    app.post("/v0/weather", headers=headers, status=200)
