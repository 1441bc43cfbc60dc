"""Policies, principals and the user of a request (P-24, P-35.1, S-16)."""

import sys
import types
from typing import Any

import pytest
from pyramid.authentication import RemoteUserAuthenticationPolicy
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service, utils
from cliquet.authentication import BasicAuthAuthenticationPolicy, prefixed_userid
from cliquet.authorization import AuthorizationPolicy
from cliquet.testing.web import basic_auth

DIGEST = "9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
MAT = f"basicauth:{DIGEST}"


def two_groups(userid: Any, request: Any) -> list[Any]:
    return ["group:a", "group:b"]


def nobody(userid: Any, request: Any) -> None:
    return None


class RefusingPolicy(AuthorizationPolicy):
    """Refuses everything, and spoils the list that it is given."""

    seen = []

    def permits(self, context: Any, principals: Any, permission: Any) -> bool:
        type(self).seen.append((type(principals), "spoilt" in principals))
        principals.append("spoilt")
        return False


class BoundPolicy(AuthorizationPolicy):
    """Grants to whoever holds the right on the root object."""

    def get_bound_permissions(self, object_uri: Any, permission: Any) -> list[Any]:
        return [(object_uri, permission), ("/", "admin")]


def asking(function: Any, settings: Any = None, **service_arguments: Any) -> TestApp:
    """Return a client of an application whose URL `/asks` answers what the function returns."""

    def configure(config: Any) -> None:
        service = Service(name="asks", path="/asks")
        arguments = {"permission": NO_PERMISSION_REQUIRED, **service_arguments}
        service.add_view("GET", lambda request: {"answer": function(request)}, **arguments)
        config.add_cornice_service(service)

    return make_app([Mushroom], settings=settings, configure=configure)


def ask(function: Any, settings: Any = None, headers: Any = None) -> Any:
    headers = basic_auth("mat", "1") if headers is None else headers
    return asking(function, settings).get("/v0/asks", headers=headers).json["answer"]


def make_request(headers: Any, secret: str = "") -> Any:
    request = Request.blank("/", headers=headers)
    request.registry = types.SimpleNamespace(settings={"userid_hmac_secret": secret})
    return request


# Basic Auth


@pytest.mark.clause("P-24.3")
def test_the_policy_gives_the_hmac_of_the_credentials() -> None:
    policy = BasicAuthAuthenticationPolicy()
    assert policy.unauthenticated_userid(make_request(basic_auth("mat", "1"))) == DIGEST
    assert policy.authenticated_userid(make_request(basic_auth("mat", "1"))) == DIGEST
    other = make_request(basic_auth("mat", "1"), secret="s")
    assert policy.unauthenticated_userid(other) not in (None, DIGEST)


@pytest.mark.clause("P-24.3")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic x"}, basic_auth("", "secret")])
def test_the_policy_knows_nobody_without_credentials(headers: dict[str, Any]) -> None:
    assert BasicAuthAuthenticationPolicy().unauthenticated_userid(make_request(headers)) is None


@pytest.mark.clause("P-24.6", "H-4.13")
def test_the_policy_computes_the_hash_once_per_request(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    hmac_digest = utils.hmac_digest

    def counting(*args: Any) -> Any:
        calls.append(args)
        return hmac_digest(*args)

    monkeypatch.setattr(utils, "hmac_digest", counting)
    policy = BasicAuthAuthenticationPolicy()
    request = make_request(basic_auth("mat", "1"))
    userids = [policy.unauthenticated_userid(request), policy.authenticated_userid(request)]
    assert userids == [DIGEST, DIGEST]
    assert len(calls) == 1

    # Other credentials are not taken for the first ones.
    request.headers.update(basic_auth("mat", "2"))
    assert policy.authenticated_userid(request) != DIGEST


@pytest.mark.clause("P-24.3", "S-16.2")
def test_known_users_are_known_by_their_credentials_and_the_secret() -> None:
    policy = BasicAuthAuthenticationPolicy()
    pairs = [("mat", "1"), ("mat", "2"), ("mat:1", ""), ("", "1")]

    def ids(secret: Any) -> list[Any]:
        requests = [make_request(basic_auth(*pair), secret=secret) for pair in pairs]
        return [policy.unauthenticated_userid(request) for request in requests]

    first, other, again = ids("a secret"), ids("another"), ids("a secret")

    assert again == first
    assert first[3] is other[3] is None
    known = [userid for userid in (*first, *other) if userid]
    assert len(set(known)) == len(known) == 6


def test_known_users_are_bounded_and_their_credentials_not_kept() -> None:
    policy = BasicAuthAuthenticationPolicy()
    for number in range(3000):
        headers = basic_auth(f"user{number}", "a password")
        policy.unauthenticated_userid(make_request(headers))

    kept = vars(policy._known)
    assert 0 < len(kept["ids"]) <= 1024
    for secret in ("user2999", "a password", headers["Authorization"].partition(" ")[2]):
        assert secret not in repr(kept)
    # Nobody can find out which one is somebody's: each process has its own digests.
    again = BasicAuthAuthenticationPolicy()
    again.unauthenticated_userid(make_request(headers))
    assert set(kept["ids"].values()) >= set(again._known.ids.values())
    assert set(kept["ids"]).isdisjoint(again._known.ids)


@pytest.mark.clause("P-24.4")
def test_the_policy_adds_no_principal() -> None:
    request = make_request(basic_auth("mat", "1"))
    assert BasicAuthAuthenticationPolicy().effective_principals(request) == []


@pytest.mark.clause("P-24.2")
def test_the_policy_takes_the_arguments_of_pyramid() -> None:
    policy = BasicAuthAuthenticationPolicy(realm="Forest", debug=False)
    assert policy.forget(make_request({})) == [("WWW-Authenticate", 'Basic realm="Forest"')]
    assert BasicAuthAuthenticationPolicy().forget(make_request({})) == [
        ("WWW-Authenticate", 'Basic realm="Realm"')
    ]


# The user of a request


@pytest.mark.clause("P-24.1", "P-5.3")
@pytest.mark.parametrize(
    ("attributes", "userid"),
    [({}, None), ({"authn_type": "fxa", "selected_userid": "bob"}, "fxa:bob")],
)
def test_the_prefixed_id_is_made_of_the_policy_and_its_id(
    attributes: dict[str, Any], userid: str | None
) -> None:
    assert prefixed_userid(types.SimpleNamespace(**attributes)) == userid


@pytest.mark.clause("P-5.1", "P-5.2", "P-5.3")
def test_the_user_is_unknown_until_somebody_asks() -> None:
    def look(request: Any) -> list[Any]:
        before = (
            hasattr(request, "authn_type"),
            hasattr(request, "selected_userid"),
            request.prefixed_userid,
        )
        authenticated = request.authenticated_userid
        after = (request.authn_type, request.selected_userid, request.prefixed_userid)
        return [before, after, authenticated]

    before, after, authenticated = ask(look)
    assert before == [False, False, None]
    assert after == ["basicauth", DIGEST, MAT]
    assert authenticated == DIGEST


@pytest.mark.clause("P-5.1", "P-5.2", "P-5.3")
def test_without_credentials_the_user_stays_unknown() -> None:
    def look(request: Any) -> list[Any]:
        return [
            request.authenticated_userid,
            hasattr(request, "authn_type"),
            request.prefixed_userid,
        ]

    assert ask(look, headers={}) == [None, False, None]


@pytest.mark.clause("P-5.3")
def test_the_prefixed_id_cannot_be_set_but_follows_its_parts() -> None:
    def assign(request: Any) -> Any:
        request.authn_type, request.selected_userid = "fxa", "bob"
        first = request.prefixed_userid
        request.selected_userid = "ann"
        try:
            request.prefixed_userid = "x"
        except AttributeError:
            return [first, request.prefixed_userid, "refused"]

    assert ask(assign) == ["fxa:bob", "fxa:ann", "refused"]


# Principals


@pytest.mark.clause("P-35.1", "P-5.13", "H-5.6")
def test_the_principals_of_a_user_are_all_there() -> None:
    found = ask(
        lambda request: request.effective_principals,
        {"multiauth.groupfinder": f"{__name__}.two_groups"},
    )
    assert set(found) == {
        "system.Everyone",
        "system.Authenticated",
        MAT,
        f"basicauth_{DIGEST}",
        "group:a",
        "group:b",
    }
    assert len(found) == 6


@pytest.mark.clause("P-35.1", "H-5.6")
def test_the_principals_of_nobody_are_those_of_everybody() -> None:
    assert ask(lambda r: r.effective_principals, headers={}) == ["system.Everyone"]


@pytest.mark.clause("P-35.2", "S-16.6")
def test_permits_receives_a_fresh_list_of_principals() -> None:
    RefusingPolicy.seen.clear()

    def look(request: Any) -> bool:
        request.has_permission("x", object())
        request.has_permission("x", object())
        return "spoilt" in request.effective_principals

    settings = {"multiauth.authorization_policy": f"{__name__}.RefusingPolicy"}
    assert ask(look, settings) is False
    assert RefusingPolicy.seen == [(list, False), (list, False)]


@pytest.mark.clause("P-35.2", "P-25.4")
def test_bound_permissions_may_be_a_method_of_the_policy() -> None:
    class Context:
        required_permission = "read"
        resource_name = "x"
        on_collection = False
        allowed_principals = ()

        def get_prefixed_userid(self) -> Any:
            return MAT

        def check_permission(
            self, permission: Any, principals: Any, get_bound_permissions: Any
        ) -> bool:
            return ("/", "admin") in get_bound_permissions("/x", permission)

    assert BoundPolicy().permits(Context(), ["a"], "dynamic")
    assert not AuthorizationPolicy().permits(Context(), ["a"], "dynamic")


# Settings


@pytest.mark.clause("S-16.5")
@pytest.mark.setting("multiauth.groupfinder")
def test_a_group_finder_that_gives_none_refuses_the_user() -> None:
    app = make_app([Mushroom], settings={"multiauth.groupfinder": f"{__name__}.nobody"})
    app.get("/v0/mushrooms", headers=basic_auth(), status=401)


@pytest.mark.clause("S-16.5", "P-25.2")
def test_the_default_group_finder_reads_the_permission_backend() -> None:
    app = asking(lambda request: request.effective_principals)
    app.app.registry.permission.add_user_principal(MAT, "group:pickers")
    found = app.get("/v0/asks", headers=basic_auth("mat", "1")).json["answer"]
    assert "group:pickers" in found


@pytest.mark.clause("S-16.6")
@pytest.mark.setting("multiauth.authorization_policy")
def test_the_authorization_policy_is_a_setting() -> None:
    settings = {"multiauth.authorization_policy": f"{__name__}.RefusingPolicy"}
    make_app([Mushroom], settings=settings).get("/v0/mushrooms", headers=basic_auth(), status=403)


@pytest.mark.clause("S-16.1", "S-16.2")
@pytest.mark.setting("multiauth.policy.{name}.{option}")
def test_the_class_of_a_policy_gets_its_options() -> None:
    app = make_app(
        settings={
            "multiauth.policies": "proxy",
            "multiauth.policy.proxy.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
            "multiauth.policy.proxy.environ_key": "X_USER",
        }
    )
    hello = app.get("/v0/", extra_environ={"X_USER": "ann"}).json
    assert hello["user"] == {"id": "proxy:ann"}


@pytest.mark.clause("S-16.9", "S-16.4")
def test_any_policy_of_pyramid_may_be_used() -> None:
    app = make_app(
        [Mushroom],
        settings={
            "multiauth.policies": "RemoteUser",
            "multiauth.policy.RemoteUser.use": (
                "pyramid.authentication.RemoteUserAuthenticationPolicy"
            ),
        },
    )
    environ = {"REMOTE_USER": "ann"}
    assert app.get("/v0/", extra_environ=environ).json["user"] == {"id": "remoteuser:ann"}
    app.get("/v0/mushrooms", extra_environ=environ, status=200)


@pytest.mark.clause("S-16.2")
@pytest.mark.setting("multiauth.policy.basicauth.use")
def test_the_class_of_basicauth_is_a_setting() -> None:
    app = make_app(
        settings={
            "multiauth.policy.basicauth.use": (
                "pyramid.authentication.RemoteUserAuthenticationPolicy"
            )
        }
    )
    hello = app.get("/v0/", extra_environ={"REMOTE_USER": "ann"}).json
    assert hello["user"] == {"id": "basicauth:ann"}


@pytest.mark.clause("S-16.1")
@pytest.mark.filterwarnings("ignore:Authentication and authorization policies:DeprecationWarning")
def test_the_name_of_a_policy_may_be_a_module_to_include(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("a_policy_module")
    module.includeme = lambda config: config.set_authentication_policy(  # type: ignore[attr-defined]
        RemoteUserAuthenticationPolicy()
    )
    monkeypatch.setitem(sys.modules, "a_policy_module", module)

    app = make_app(settings={"multiauth.policies": "basicauth a_policy_module"})

    user = app.get("/v0/", extra_environ={"REMOTE_USER": "ann"}).json["user"]
    assert user == {"id": "a_policy_module:ann"}
    assert app.get("/v0/", headers=basic_auth("mat", "1")).json["user"] == {"id": MAT}


@pytest.mark.clause("S-16.1", "S-22")
def test_an_unknown_policy_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        make_app(settings={"multiauth.policies": "basicauth nonsense"})
