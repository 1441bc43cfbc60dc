"""Several policies at once: order, ids, principals, challenges, batches, log lines."""

import sys
import types
from typing import Any

import pytest
from pyramid.authentication import RemoteUserAuthenticationPolicy
from pyramid.interfaces import IAuthenticationPolicy, IAuthorizationPolicy
from pyramid.security import NO_PERMISSION_REQUIRED
from security.conftest import Lines
from support.shared_apps import make_app
from support.sharing import Toadstool
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.authentication import BasicAuthAuthenticationPolicy
from cliquet.authorization import AuthorizationPolicy
from cliquet.testing.web import basic_auth

MAT = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
AS_MAT = basic_auth("mat", "1")
THREE = {
    "multiauth.policies": "basicauth sso ipauth",
    "multiauth.policy.basicauth.realm": "Forest",
    "multiauth.policy.sso.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
    "multiauth.policy.ipauth.use": "cliquet.authentication.IPAuthenticationPolicy",
    "multiauth.policy.ipauth.ipaddrs": "10.0.0.0/8",
    "multiauth.policy.ipauth.userid": "LAN-user",
    "multiauth.policy.ipauth.principals": "trusted",
}
ANN, LAN = {"REMOTE_USER": "ann"}, {"REMOTE_ADDR": "10.0.0.7"}


class Challenging:
    """Knows nobody, and asks for a token."""

    def authenticated_userid(self, request: Any) -> None:
        return None

    unauthenticated_userid = authenticated_userid

    def effective_principals(self, request: Any) -> list[Any]:
        return []

    def remember(self, request: Any, userid: Any, **kwargs: Any) -> list[Any]:
        return [("X-Token", userid)]

    def forget(self, request: Any) -> list[Any]:
        return [("WWW-Authenticate", 'Bearer realm="Forest"')]


def asked(settings: Any, function: Any) -> TestApp:
    """Return a client of an application whose URL `/asks` answers what the function returns."""

    def configure(config: Any) -> None:
        service = Service(name="asks", path="/asks")
        service.add_view("GET", function, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    return make_app([Mushroom, Toadstool], settings=settings, configure=configure)


@pytest.fixture(scope="module")
def app() -> Any:
    return asked(THREE, lambda request: {"principals": sorted(request.effective_principals)})


def user_of(app: TestApp, **kwargs: Any) -> Any:
    user = app.get("/v0/", status=200, **kwargs).json.get("user")
    return user and user["id"]


@pytest.mark.clause("H-4.1", "H-4.2", "S-16.1")
@pytest.mark.setting("multiauth.policies")
@pytest.mark.parametrize(
    ("order", "users"),
    [
        ("basicauth sso ipauth", [MAT, "sso:ann", "ipauth:LAN-user"]),
        ("ipauth sso basicauth", ["ipauth:LAN-user", "ipauth:LAN-user", "ipauth:LAN-user"]),
        (["sso", "ipauth", "basicauth"], ["sso:ann", "sso:ann", "ipauth:LAN-user"]),
    ],
)
def test_the_first_of_the_list_that_knows_the_user_wins(
    order: list[Any] | str, users: list[Any]
) -> None:
    app = make_app(settings={**THREE, "multiauth.policies": order})

    assert [
        user_of(app, headers=AS_MAT, extra_environ={**ANN, **LAN}),
        user_of(app, extra_environ={**ANN, **LAN}),
        user_of(app, extra_environ=LAN),
    ] == users


@pytest.mark.clause("H-5.6", "S-16.4")
def test_only_the_id_of_the_policy_that_won_is_a_principal(app: TestApp) -> None:
    everything = {"REMOTE_USER": "group:admins", **LAN}

    as_mat = app.get("/v0/asks", headers=AS_MAT, extra_environ=everything).json["principals"]
    as_admin = app.get("/v0/asks", extra_environ=everything).json["principals"]

    common = {"system.Everyone", "system.Authenticated", "trusted"}
    assert set(as_mat) == {*common, MAT, MAT.replace(":", "_")}
    # Whoever chooses an id must not become a group, or a user of another policy, by doing so.
    assert set(as_admin) == {*common, "sso:group:admins"}


class Trusting(Challenging):
    """Takes any id, those that Pyramid's policies refuse included."""

    def authenticated_userid(self, request: Any) -> Any:
        return request.environ.get("REMOTE_USER")

    def effective_principals(self, request: Any) -> list[Any]:
        return ["system.Everyone", "system.Authenticated", self.authenticated_userid(request)]


LOOKS_LIKE = (
    "staff_admin:root",
    "admin:root",
    "admin_root",
    "group:admins",
    "trusted",
    "system.Authenticated",
    "system.Everyone",
    MAT,
    MAT.replace(":", "_"),
    "/groups/admins",
    "*",
)


@pytest.mark.clause("H-5.6", "X-29")
@pytest.mark.parametrize("userid", LOOKS_LIKE)
def test_an_id_is_never_a_principal_of_others(userid: str) -> None:
    settings = {
        "multiauth.policies": "staff administration basicauth",
        "multiauth.policy.staff.use": f"{__name__}.Trusting",
        "multiauth.policy.administration.use": f"{__name__}.Challenging",
    }
    app = asked(settings, lambda request: {"principals": sorted(request.effective_principals)})

    found = app.get("/v0/asks", extra_environ={"REMOTE_USER": userid}).json["principals"]

    own = {name for name in found if name.startswith(("staff:", "staff_"))}
    assert own == {f"staff:{userid}"} | ({f"staff_{userid}"} if ":" not in userid else set())
    assert set(found) - own == {"system.Everyone", "system.Authenticated"}


def groups_of(userid: Any, request: Any) -> list[Any]:
    return ["ann", "group:pickers"]


@pytest.mark.clause("X-29", "H-4.2", "S-16.5")
@pytest.mark.parametrize("userid", ["", "a\0", "\udfff"], ids=ascii)
@pytest.mark.parametrize("groupfinder", ["cliquet.authorization.groupfinder", None])
def test_who_has_an_unusable_id_may_be_known_to_the_next_policy(
    userid: str, groupfinder: str | None
) -> None:
    settings = {
        "multiauth.policies": "sso ipauth",
        "multiauth.policy.sso.use": f"{__name__}.Trusting",
        "multiauth.policy.ipauth.ipaddrs": "10.0.0.7",
        "multiauth.policy.ipauth.userid": "LAN-user",
        "multiauth.groupfinder": groupfinder or f"{__name__}.groups_of",
    }
    app = make_app(settings={**THREE, **settings})
    unusable = {"REMOTE_USER": userid}

    assert user_of(app, extra_environ=unusable) is None
    assert user_of(app, extra_environ={**unusable, **LAN}) == "ipauth:LAN-user"


@pytest.mark.clause("H-5.6")
def test_a_user_keeps_a_group_of_the_same_name() -> None:
    settings = {**THREE, "multiauth.groupfinder": f"{__name__}.groups_of"}
    body = {"data": {"name": "cep"}}
    granted = {**settings, "toadstool_create_principals": "ann"}
    app = asked(granted, lambda request: {"principals": sorted(request.effective_principals)})

    assert "ann" in app.get("/v0/asks", extra_environ=ANN).json["principals"]
    app.post_json("/v0/toadstools", body, extra_environ=ANN, status=201)


@pytest.mark.clause("H-5.6", "H-5.16")
def test_an_id_that_looks_like_the_user_of_another_policy_opens_nothing(app: TestApp) -> None:
    body = {"data": {"name": "cep"}, "permissions": {"read": ["group:admins"]}}
    app.app.registry.permission.add_principal_to_ace("/toadstools", "toadstool:create", MAT)
    record = app.post_json("/v0/toadstools", body, headers=AS_MAT).json["data"]
    url = f"/v0/toadstools/{record['id']}"

    for userid in (MAT, "group:admins", "system.Authenticated"):
        for headers in ({}, basic_auth("eve", "1")):
            app.get(url, headers=headers, extra_environ={"REMOTE_USER": userid}, status=[401, 403])
    app.get(url, headers=AS_MAT, extra_environ={"REMOTE_USER": "eve"}, status=200)


@pytest.mark.clause("S-16.4", "H-4.3")
@pytest.mark.parametrize(
    "names", ["basicauth basicauth", "BasicAuth basicauth", ["a:b", "basicauth"]]
)
def test_names_that_would_mix_users_up_are_refused_at_start(names: list[Any] | str) -> None:
    settings = {f"multiauth.policy.{name}.use": "x" for name in ("BasicAuth", "a:b")}

    with pytest.raises(ValueError, match=r"Setting 'multiauth\.policies' is .*differ by more"):
        make_app(settings={**settings, "multiauth.policies": names})


@pytest.mark.clause("S-16.4", "H-5.6", "X-29")
@pytest.mark.setting("multiauth.policies")
@pytest.mark.parametrize(
    ("names", "both"),
    [
        ("staff staff_admin", "'staff_admin' with 'staff'"),
        ("staff_admin basicauth Staff", "'staff_admin' with 'staff'"),
        ("basicauth basicauth_ sso", "'basicauth_' with 'basicauth'"),
        (["a_b_c", "a_b"], "'a_b_c' with 'a_b'"),
        ("sso group", "'group'"),
    ],
)
def test_names_of_which_two_users_are_one_principal_are_refused_at_start(
    names: list[Any] | str, both: str
) -> None:
    every = names if isinstance(names, list) else names.split()
    uses = {
        f"multiauth.policy.{name}.use": "pyramid.authentication.RemoteUserAuthenticationPolicy"
        for name in every
    }

    with pytest.raises(ValueError, match=rf"Setting 'multiauth\.policies' is .*{both}"):
        make_app(settings={**uses, "multiauth.policies": names})


@pytest.mark.clause("S-16.4")
@pytest.mark.parametrize("names", ["staff staffadmin", "staff_a staff_b", "group_a sso", "a_b b"])
def test_other_names_may_be_much_alike(names: str) -> None:
    uses = {
        f"multiauth.policy.{name}.use": "pyramid.authentication.RemoteUserAuthenticationPolicy"
        for name in names.split()
    }

    assert make_app(settings={**uses, "multiauth.policies": names})


@pytest.mark.clause("H-4.10", "P-24.5", "S-16.2")
@pytest.mark.setting("multiauth.policy.{name}.{option}")
def test_a_401_has_the_challenges_of_all_policies_in_their_order(app: TestApp) -> None:
    settings = {
        **THREE,
        "multiauth.policies": "sso bearer ipauth basicauth",
        "multiauth.policy.bearer.use": f"{__name__}.Challenging",
    }
    two = make_app([Mushroom], settings=settings)

    both = two.get("/v0/mushrooms", extra_environ={"REMOTE_ADDR": "192.168.0.1"}, status=401)
    one = app.get("/v0/mushrooms", extra_environ={"REMOTE_ADDR": "192.168.0.1"}, status=401)

    assert both.headers.getall("WWW-Authenticate") == [
        'Bearer realm="Forest"',
        'Basic realm="Forest"',
    ]
    assert one.headers.getall("WWW-Authenticate") == ['Basic realm="Forest"']
    assert one.json["errno"] == 104


@pytest.mark.clause("H-25.14", "H-25.19", "H-4.13")
def test_each_request_of_a_batch_is_judged_by_all_policies(app: TestApp) -> None:
    batch = {
        "requests": [
            {"path": "/"},
            {"path": "/", "headers": AS_MAT},
            {"path": "/mushrooms", "method": "POST", "body": {"data": {"name": "cep"}}},
        ]
    }

    def answers(**environ: Any) -> Any:
        return app.post_json("/v0/batch", batch, extra_environ=environ).json["responses"]

    def users(found: Any) -> list[Any]:
        return [answer["body"].get("user", {}).get("id") for answer in found[:2]]

    as_ann, as_lan, as_nobody = answers(**ANN), answers(**LAN), answers(REMOTE_ADDR="")
    assert users(as_ann) == ["sso:ann", MAT]
    assert users(as_lan) == ["ipauth:LAN-user", MAT]
    assert users(as_nobody) == [None, MAT]
    assert [found[2]["status"] for found in (as_ann, as_lan, as_nobody)] == [201, 201, 401]
    challenge = as_nobody[2]["headers"]["WWW-Authenticate"]
    assert challenge == 'Basic realm="Forest"'
    (stored,), _ = app.app.registry.storage.get_all("mushroom", "sso:ann")
    assert stored["id"] == as_ann[2]["body"]["data"]["id"]


@pytest.mark.clause("S-16.9", "S-18.3")
@pytest.mark.parametrize(
    ("environ", "headers", "expected"),
    [
        (LAN, {}, ("LAN-user", "ipauth")),
        ({**LAN, **ANN}, {}, ("ann", "sso")),
        ({**LAN, **ANN}, AS_MAT, (MAT.partition(":")[2], "basicauth")),
        ({"REMOTE_ADDR": ""}, {}, (None, None)),
    ],
)
def test_log_lines_have_the_id_without_policy_and_the_policy(
    log_lines: Lines, environ: dict[str, Any], headers: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    app = make_app([Mushroom], settings={**THREE, "logging_renderer": log_lines.renderer})
    app.get("/v0/mushrooms", headers=headers, extra_environ=environ, status=[200, 401])

    assert (log_lines[-1]["uid"], log_lines[-1]["authn_type"]) == expected


@pytest.mark.clause("P-5.13", "S-16.1")
def test_plugins_find_the_policies_under_the_interface_of_pyramid() -> None:
    def look(request: Any) -> dict[str, Any]:
        policy = request.registry.getUtility(IAuthenticationPolicy)
        return {
            "names": [name for name, _ in policy.get_policies()],
            "class": type(policy.get_policy("basicauth")).__name__,
            "user": policy.authenticated_userid(request),
            "claimed": policy.unauthenticated_userid(request),
            "principals": sorted(policy.effective_principals(request)),
            "remembered": policy.remember(request, "ann"),
        }

    settings = {
        **THREE,
        "multiauth.policies": "basicauth sso bearer",
        "multiauth.policy.bearer.use": f"{__name__}.Challenging",
    }
    seen = asked(settings, look).get("/v0/asks", extra_environ=ANN).json

    assert seen == {
        "names": ["basicauth", "sso", "bearer"],
        "class": BasicAuthAuthenticationPolicy.__name__,
        "user": "ann",
        "claimed": "ann",
        "principals": ["sso:ann", "sso_ann", "system.Authenticated", "system.Everyone"],
        "remembered": [["X-Token", "ann"]],
    }


@pytest.mark.clause("S-16.1", "S-16.6", "P-25.4")
@pytest.mark.filterwarnings("ignore:Authentication and authorization policies:DeprecationWarning")
@pytest.mark.parametrize("commits", [False, True])
def test_modules_may_bring_authorization_policies_which_give_way(
    monkeypatch: pytest.MonkeyPatch, commits: bool
) -> None:
    for number in "12":
        name, key = f"module_with_both_{number}", f"USER_{number}"

        def includeme(config: Any, key: Any = key) -> None:
            config.set_authorization_policy(object())
            config.set_authentication_policy(RemoteUserAuthenticationPolicy(key))
            if commits:
                config.commit()

        module = types.ModuleType(name)
        module.includeme = includeme  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)

    names = "basicauth module_with_both_1 module_with_both_2"
    app = make_app([Mushroom], settings={"multiauth.policies": names})

    policy = app.app.registry.getUtility(IAuthorizationPolicy)
    assert type(policy) is AuthorizationPolicy
    assert user_of(app, extra_environ={"USER_1": "ann"}) == "module_with_both_1:ann"
    assert user_of(app, extra_environ={"USER_2": "ann"}) == "module_with_both_2:ann"
    app.get("/v0/mushrooms", extra_environ={"USER_2": "ann"}, status=200)
