"""The authorization policy, the group finder and the context of routes."""

import itertools
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.events import ContextFound
from support.shared_apps import make_app
from support.sharing import CAP, COLLECTION, URL, Toadstool, grant, make_sharing_app, store, user_id
from testapp import Mushroom
from webtest import TestApp

from cliquet.authorization import (
    DYNAMIC,
    PRIVATE,
    AuthorizationPolicy,
    RouteFactory,
    groupfinder,
    with_prefixed_userid,
)
from cliquet.initialization.security import _check_names as check_names
from cliquet.permission.memory import Permission
from cliquet.security import authorization
from cliquet.security.principals import names_of_user
from cliquet.storage.exceptions import BackendError
from cliquet.testing.web import basic_auth

UNKNOWN_ID = "00000000-0000-4000-8000-000000000001"
BODY = {"data": {"name": "death cap"}}
USER = "basicauth:b0b"


class Context:
    """What the policy needs of a context; remembers what it was asked."""

    on_collection = False
    required_permission = "read"
    resource_name = "toadstool"

    def __init__(
        self,
        userid: Any = USER,
        allowed_principals: Any = (),
        granted: bool = False,
        shared: Any = (),
        **attributes: Any,
    ) -> None:
        self.get_prefixed_userid = lambda: userid
        self.allowed_principals = list(allowed_principals)
        self.granted = granted
        self.shared = list(shared)
        self.checked = []
        self.fetched = []
        self.__dict__.update(attributes)

    def check_permission(
        self, permission: Any, principals: Any, get_bound_permissions: Any = None
    ) -> Any:
        self.checked.append((permission, principals, get_bound_permissions))
        return self.granted

    def fetch_shared_records(
        self, permission: Any, principals: Any, get_bound_permissions: Any = None
    ) -> Any:
        self.fetched.append((permission, principals, get_bound_permissions))
        return self.shared


def permits(
    context: Any,
    permission: Any = DYNAMIC,
    principals: Any = ("system.Everyone",),
    policy: Any = None,
) -> Any:
    return (policy or AuthorizationPolicy()).permits(context, list(principals), permission)


@pytest.mark.clause("P-25.1")
def test_the_names_of_the_two_permissions() -> None:
    assert (authorization.DYNAMIC, authorization.PRIVATE) == ("dynamic", "private")


# The group finder


@pytest.fixture
def group_request() -> Any:
    permission = Permission()
    permission.add_user_principal(USER, "group:pickers")
    permission.add_user_principal("b0b", "group:unprefixed")
    return SimpleNamespace(
        registry=SimpleNamespace(permission=permission), prefixed_userid=USER, bound_data={}
    )


@pytest.mark.clause("P-25.2")
def test_without_permission_backend_there_are_no_groups() -> None:
    request = SimpleNamespace(registry=SimpleNamespace(), prefixed_userid=USER, bound_data={})

    assert groupfinder("b0b", request) == []


@pytest.mark.clause("P-25.2")
@pytest.mark.parametrize(
    ("prefixed", "groups"), [(USER, ["group:pickers"]), (None, ["group:unprefixed"])]
)
def test_groups_are_those_of_the_prefixed_id_when_there_is_one(
    group_request: SimpleNamespace, prefixed: str | None, groups: list[Any]
) -> None:
    group_request.prefixed_userid = prefixed

    assert groupfinder("b0b", group_request) == groups


@pytest.mark.clause("P-25.2", "B-20.7")
def test_groups_are_fetched_once_per_user_and_request(group_request: SimpleNamespace) -> None:
    before = groupfinder("b0b", group_request)
    group_request.registry.permission.add_user_principal(USER, "group:late")
    group_request.registry.permission.add_user_principal("basicauth:eve", "group:eve")

    assert groupfinder("b0b", group_request) == before
    assert f"{USER}_principals" in group_request.bound_data
    group_request.prefixed_userid = "basicauth:eve"
    assert groupfinder("eve", group_request) == ["group:eve"]


# The policy


@pytest.mark.clause("P-25.3")
@pytest.mark.parametrize("principals", [["system.Everyone"], ["system.Everyone", USER]])
def test_private_wants_a_user_and_does_not_look_at_the_context(principals: list[Any]) -> None:
    assert permits(None, PRIVATE, principals) is False
    assert permits(None, PRIVATE, [*principals, "system.Authenticated"]) is True


@pytest.mark.clause("P-25.3", "H-5.6")
def test_the_user_is_a_principal_in_the_prefixed_forms_only() -> None:
    context = Context()
    principals = ["system.Everyone", "b0b", "group:pickers"]

    AuthorizationPolicy().permits(context, principals, DYNAMIC)

    ((_, asked, _),) = context.checked
    assert sorted(asked) == sorted(
        ["system.Everyone", "group:pickers", "basicauth:b0b", "basicauth_b0b"]
    )
    assert principals == ["system.Everyone", "b0b", "group:pickers"]


@pytest.mark.clause("P-25.3", "H-5.6")
@pytest.mark.parametrize("userid", [None, "", "b0b"])
def test_without_prefix_principals_are_left_alone(userid: str | None) -> None:
    context = Context(userid=userid)

    permits(context, principals=["system.Everyone", "b0b"])

    assert context.checked[0][1] == ["system.Everyone", "b0b"]


@pytest.mark.clause("H-5.6", "X-29")
def test_an_id_with_a_colon_has_no_older_form() -> None:
    context = Context(userid="staff:admin:root")

    permits(context, principals=[])

    # `staff_admin:root` is a user of a policy `staff_admin`.
    assert context.checked[0][1] == ["staff:admin:root"]


@pytest.mark.clause("H-5.6")
@pytest.mark.parametrize("name", ["system.Everyone", "system.Authenticated", "group:pickers"])
def test_a_user_keeps_the_principals_that_the_id_looks_like(name: str) -> None:
    principals = ["system.Everyone", "system.Authenticated", "group:pickers"]
    given = [*principals, f"remote:{name}"]

    assert set(with_prefixed_userid(given, f"remote:{name}")) >= set(principals)
    assert "system.Everyone" in with_prefixed_userid(principals, f"remote:{name}")


POLICY_NAMES = st.lists(st.text("ab_", min_size=1, max_size=4), min_size=2, max_size=4, unique=True)
IDS = st.text("ab_:/*", min_size=1, max_size=6)


@pytest.mark.clause("H-5.6", "S-16.4", "X-29")
@given(POLICY_NAMES, st.data())
def test_two_users_have_no_name_in_common(policies: list[str], data: st.DataObject) -> None:
    try:
        check_names(policies, {"multiauth.policies": policies})
    except ValueError:
        return
    users = [f"{policy}:{data.draw(IDS)}" for policy in policies for _ in range(2)]

    for one, other in itertools.combinations(dict.fromkeys(users), 2):
        assert set(names_of_user(one)).isdisjoint(names_of_user(other))


@pytest.mark.clause("H-5.6", "X-29")
@given(IDS)
def test_a_user_has_no_name_without_that_of_the_policy(userid: object) -> None:
    assert all(re.match("remote[:_]", name) for name in names_of_user(f"remote:{userid}"))


@pytest.mark.clause("P-25.3")
@pytest.mark.parametrize(
    ("permission", "required", "asked"),
    [
        (DYNAMIC, "read", "read"),
        (DYNAMIC, "write", "write"),
        (DYNAMIC, "create", "toadstool:create"),
        ("create", "read", "toadstool:create"),
        ("write", "read", "write"),
        ("taste", "read", "taste"),
    ],
)
def test_which_permission_is_asked_for(permission: str, required: str, asked: str) -> None:
    context = Context(required_permission=required)

    permits(context, permission)

    assert context.checked[0][0] == asked


@pytest.mark.clause("P-25.3", "P-25.7")
def test_a_method_that_requires_nothing_known_is_refused() -> None:
    context = Context(required_permission=None, granted=True)

    assert permits(context) is False


@pytest.mark.clause("P-25.3", "X-3")
@pytest.mark.parametrize(
    ("allowed", "granted", "expected"),
    [
        (["group:a"], False, True),
        (["group:b"], False, False),
        (["group:b"], True, True),
        ([], True, True),
        ([], False, False),
        ([USER], False, True),
    ],
)
def test_settings_widen_what_is_stored(allowed: list[Any], granted: bool, expected: bool) -> None:
    context = Context(allowed_principals=allowed, granted=granted)

    assert permits(context, principals=["system.Everyone", "group:a"]) is expected


@pytest.mark.clause("P-25.3", "H-5.12")
@pytest.mark.parametrize(
    ("on_collection", "required", "shared", "expected"),
    [
        (True, "read", ["a"], True),
        (True, "write", ["a"], True),
        (True, "read", [], False),
        (True, "create", ["a"], False),
        (False, "read", ["a"], False),
    ],
)
def test_a_collection_is_allowed_where_a_record_is_shared(
    on_collection: bool, required: str, shared: list[Any], expected: bool
) -> None:
    context = Context(on_collection=on_collection, required_permission=required, shared=shared)

    assert permits(context) is expected


@pytest.mark.clause("X-4", "X-20", "P-25.4")
def test_by_default_write_grants_read() -> None:
    context = Context(on_collection=True)
    policy = AuthorizationPolicy()

    permits(context, policy=policy)

    assert policy.get_bound_permissions is None
    for ((_, _, bound),) in (context.checked, context.fetched):
        assert list(bound("/x", "read")) == [("/x", "read"), ("/x", "write")]
        assert list(bound("/x", "write")) == [("/x", "write")]
        assert list(bound("/x", "toadstool:create")) == [("/x", "toadstool:create")]


@pytest.mark.clause("P-25.4", "X-20")
def test_the_hook_of_an_application_replaces_the_default() -> None:
    def on_instance(object_id: Any, permission: Any) -> list[Any]:
        return []

    class OwnPolicy(AuthorizationPolicy):
        def get_bound_permissions(self, object_id: Any, permission: Any) -> list[Any]:
            return [("method", permission)]

    context = Context()
    policy = AuthorizationPolicy()
    policy.get_bound_permissions = on_instance
    permits(context, policy=policy)
    permits(context, policy=OwnPolicy())

    assert context.checked[0][2] is on_instance
    assert context.checked[1][2]("/x", "read") == [("method", "read")]
    assert AuthorizationPolicy.get_bound_permissions is None


@pytest.mark.clause("P-25.5")
def test_who_is_allowed_is_not_answered() -> None:
    with pytest.raises(NotImplementedError):
        AuthorizationPolicy().principals_allowed_by_permission(None, "read")


# The context


@pytest.fixture
def contexts() -> list[Any]:
    return []


@pytest.fixture
def app(contexts: list[Any]) -> Any:
    def configure(config: Any) -> None:
        config.add_subscriber(
            lambda event: contexts.append((event.request, event.request.context)), ContextFound
        )

    settings = {
        "toadstool_read_principals": "group:readers",
        "toadstool_write_principals": "group:writers",
        "toadstool_create_principals": "group:makers, group:bosses",
    }
    resources = (Toadstool, CAP, Mushroom)
    return make_sharing_app(settings, resources=resources, configure=configure)


def context_of(app: TestApp, contexts: Any, method: str, url: Any) -> Any:
    contexts.clear()
    if method in ("POST", "PUT", "PATCH"):
        getattr(app, f"{method.lower()}_json")(url, BODY, status="*")
    else:
        app.request(url, method=method, status="*")
    ((_, context),) = contexts
    return context


@pytest.mark.clause("P-25.6", "P-25.7", "P-25.8", "H-5.4", "S-17.1")
@pytest.mark.parametrize(
    ("method", "target", "required", "principals"),
    [
        ("GET", "collection", "read", ["group:readers", "group:writers"]),
        ("HEAD", "collection", "read", ["group:readers", "group:writers"]),
        ("POST", "collection", "create", ["group:makers", "group:bosses"]),
        ("DELETE", "collection", "write", ["group:writers"]),
        ("GET", "record", "read", ["group:readers", "group:writers"]),
        ("HEAD", "record", "read", ["group:readers", "group:writers"]),
        ("PATCH", "record", "write", ["group:writers"]),
        ("DELETE", "record", "write", ["group:writers"]),
        ("PUT", "record", "write", ["group:writers"]),
        ("PUT", "unknown", "create", ["group:makers", "group:bosses"]),
        ("OPTIONS", "record", None, []),
        ("TRACE", "record", None, []),
    ],
)
def test_what_a_request_requires(
    app: TestApp,
    contexts: list[Any],
    method: str,
    target: str,
    required: str | None,
    principals: list[Any],
) -> None:
    record = store(app)
    record_url = record["url"] if target == "record" else f"{URL}/{UNKNOWN_ID}"
    url = URL if target == "collection" else record_url

    context = context_of(app, contexts, method, url)

    on_collection_object = target == "collection" or required == "create"
    assert context.resource_name == "toadstool"
    assert context.on_collection is (target == "collection")
    assert context.required_permission == required
    assert context.allowed_principals == principals
    assert context.permission_object_id == (
        COLLECTION if on_collection_object else url.removeprefix("/v0")
    )
    assert (context.get_shared_ids is not None) is (target == "collection")
    assert context.shared_ids == []
    if (method, target) == ("PUT", "record"):
        assert context.current_record["id"] == record["id"]
        assert context.current_record["name"] == record["name"]
    else:
        assert context.current_record is None


@pytest.mark.clause("P-25.6")
@pytest.mark.clause("P-25.9")
def test_the_pattern_of_records_is_only_made_for_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    published = RouteFactory.get_permission_object_id

    def noting(self: Any, request: Any, record_id: Any = None) -> Any:
        asked.append(record_id)
        return published(self, request, record_id)

    monkeypatch.setattr(RouteFactory, "get_permission_object_id", noting)
    app = make_app([Toadstool], settings={"toadstool_read_principals": "system.Authenticated"})

    app.get(URL, headers=basic_auth())
    assert asked
    assert "*" not in asked

    app.get(URL, status=401)
    assert "*" in asked


def test_the_permissions_of_methods_are_published() -> None:
    assert RouteFactory.method_permissions == {
        "head": "read",
        "get": "read",
        "post": "create",
        "delete": "write",
        "patch": "write",
    }


@pytest.mark.clause("P-25.6", "H-5.6")
def test_the_context_knows_the_user(
    app: TestApp, contexts: list[Any], headers: dict[str, str]
) -> None:
    app.get(URL, headers=headers, status=403)
    assert contexts.pop()[1].get_prefixed_userid() == user_id(app, headers)

    app.get(URL, status=401)
    assert contexts.pop()[1].get_prefixed_userid() is None


@pytest.mark.clause("P-25.9", "P-25.8")
@pytest.mark.parametrize(
    ("url", "own", "of_record"),
    [
        (URL, "/toadstools", "/toadstools/{}"),
        ("/v0/forests/oak/caps", "/forests/oak/caps", "/forests/oak/caps/{}"),
        ("/v0/forests/o%C3%A9k/caps", "/forests/oék/caps", "/forests/oék/caps/{}"),
    ],
)
def test_object_ids_on_a_collection(
    app: TestApp, contexts: list[Any], url: str, own: str, of_record: str
) -> None:
    context_of(app, contexts, "GET", url)
    ((request, context),) = contexts

    assert context.get_permission_object_id(request) == own
    for record_id in ("abc", "*", "a'b", "é"):
        expected = of_record.format(record_id)
        assert context.get_permission_object_id(request, record_id) == expected
        assert context.get_permission_object_id(request, record_id=record_id) == expected


@pytest.mark.clause("P-25.9", "P-25.8")
def test_a_route_makes_the_uris_of_all_records_of_a_request_at_once(
    app: TestApp, contexts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    context_of(app, contexts, "GET", "/v0/forests/oak/caps")
    ((request, context),) = contexts
    made: list[Any] = []
    monkeypatch.setattr(request, "route_url", lambda *args, **kwargs: made.append(args))

    for number in range(3):
        uri = context.get_permission_object_id(request, f"{number}%2F*")
        assert uri == f"/forests/oak/caps/{number}%2F*"
    assert made == []

    monkeypatch.undo()
    # An application may serve the collection of another forest.
    variable = next(iter(request.matchdict))
    request.matchdict[variable] = "elm"
    assert context.get_permission_object_id(request, "1") == "/forests/elm/caps/1"


@pytest.mark.clause("P-25.9", "P-25.8", "D-48")
@pytest.mark.parametrize("record_id", [UNKNOWN_ID, "a'b", ":b", "a%2Ab"])
def test_the_object_id_on_a_record_is_the_one_of_the_url(
    app: TestApp, contexts: list[Any], record_id: str
) -> None:
    context_of(app, contexts, "GET", f"{URL}/{record_id}")
    ((request, context),) = contexts

    expected = f"/toadstools/{record_id.replace('%2A', '*')}"
    assert context.get_permission_object_id(request) == expected
    assert context.get_permission_object_id(request, "another") == expected


@pytest.mark.clause("P-25.9", "B-20.8")
def test_shared_records_are_found_by_their_ids(app: TestApp, contexts: list[Any]) -> None:
    context = context_of(app, contexts, "GET", URL)
    for uri in ("/toadstools/a", "/toadstools/b", "/toadstools/a/parts/c", "/amanitas/d"):
        grant(app, uri, "read", "group:pickers")

    found = context.fetch_shared_records("read", ["group:pickers"], None)

    assert sorted(found) == ["a", "b"]
    assert sorted(context.shared_ids) == ["a", "b"]
    assert context.extract_object_id("/forests/oak/caps/x") == "x"


@pytest.mark.clause("H-5.12", "P-12.4")
def test_a_later_question_does_not_lift_the_limits_of_a_shared_listing(
    app: TestApp, contexts: list[Any]
) -> None:
    context = context_of(app, contexts, "GET", URL)
    grant(app, "/toadstools/a", "read", "group:pickers")
    context.fetch_shared_records("read", ["group:pickers"], None)

    assert context.fetch_shared_records("write", ["group:pickers"], None) == []

    # An empty list would mean that everything is to be listed.
    assert context.shared_ids == ["a"]


@pytest.mark.clause("H-5.12", "P-12.4", "D-62")
def test_a_search_that_fails_does_not_lift_the_limits_of_a_shared_listing(
    app: TestApp, contexts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(app, contexts, "GET", URL)
    grant(app, "/toadstools/a", "read", "group:pickers")
    context.fetch_shared_records("read", ["group:pickers"], None)

    def fail(*_: object, **__: object) -> None:
        raise BackendError

    monkeypatch.setattr(context._request, "has_permission", fail)
    with pytest.raises(BackendError):
        context.judge_list_again()

    # The operation under the lock may be run once more.
    assert context.shared_ids == ["a"]


@pytest.mark.clause("P-25.9", "H-5.11")
def test_permissions_are_checked_on_the_object_of_the_request(
    app: TestApp, contexts: list[Any]
) -> None:
    context = context_of(app, contexts, "GET", URL)
    grant(app, "/toadstools", "read", "group:pickers")
    grant(app, "/forests", "read", "group:foresters")

    def also_forests(object_id: Any, permission: Any) -> list[Any]:
        return [(object_id, permission), ("/forests", permission)]

    assert context.check_permission("read", ["group:pickers"]) is True
    assert context.check_permission("write", ["group:pickers"]) is False
    assert context.check_permission("read", ["group:foresters"]) is False
    assert context.check_permission("read", ["group:foresters"], get_bound_permissions=also_forests)


@pytest.mark.clause("P-25.6", "P-35.13")
def test_the_context_may_be_the_root_factory() -> None:
    seen = []

    def configure(config: Any) -> None:
        config.set_root_factory(RouteFactory)
        config.add_subscriber(lambda event: seen.append(event.request.context), ContextFound)

    app = make_app([Mushroom], configure=configure)

    app.get("/v0/nowhere", status=404)
    app.get("/v0/", status=200)

    assert all(isinstance(context, RouteFactory) for context in seen)
    assert [context.resource_name for context in seen] == [None, None]


@pytest.mark.clause("P-25.11")
def test_user_resources_have_no_such_context(
    app: TestApp, contexts: list[Any], headers: dict[str, str]
) -> None:
    app.get("/v0/mushrooms", headers=headers, status=200)

    assert not isinstance(contexts[0][1], RouteFactory)


@pytest.mark.clause("P-25.9", "P-35.13")
def test_methods_of_a_context_can_be_assigned(
    app: TestApp, contexts: list[Any], headers: dict[str, str]
) -> None:
    def everything_is_the_forest(request: Any, record_id: Any = None) -> str:
        return "/forests/oak"

    def open_to_all(event: Any) -> None:
        event.request.context.check_permission = lambda *args, **kwargs: True
        event.request.context.get_permission_object_id = everything_is_the_forest

    app.app.registry.registerHandler(open_to_all, (ContextFound,))

    created = app.post_json(URL, BODY, headers=headers, status=201)

    me = user_id(app, headers)
    assert created.json["permissions"] == {"write": [me]}
    assert app.app.registry.permission.object_permissions("/forests/oak") == {"write": {me}}
