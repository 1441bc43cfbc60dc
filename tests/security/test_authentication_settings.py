"""Policies, group finder and authorization policy of the settings, and what is wrong with them."""

from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from security.conftest import Lines
from support.shared_apps import make_app
from support.sharing import Toadstool
from testapp import Mushroom

from cliquet.authentication import BasicAuthAuthenticationPolicy
from cliquet.authorization import AuthorizationPolicy
from cliquet.settings import SettingError
from cliquet.testing.web import basic_auth

MAT = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
AS_MAT, AS_EVE = basic_auth("mat", "1"), basic_auth("eve", "1")
BODY = {"data": {"name": "cep"}}
USE = "multiauth.policy.basicauth.use"


# Replaced by settings


class Accounts(BasicAuthAuthenticationPolicy):
    """Basic Auth that knows one account."""

    def __init__(self, realm: str = "Realm", password: str = "") -> None:
        super().__init__(realm=realm)
        self.password = password

    def unauthenticated_userid(self, request: Any) -> Any:
        given = request.authorization and request.authorization.params
        return "mat" if given == basic_auth("mat", self.password)["Authorization"][6:] else None


@pytest.mark.clause("S-16.2", "H-4.10")
@pytest.mark.setting("multiauth.policy.basicauth.use", "multiauth.policy.{name}.{option}")
def test_basic_auth_may_be_another_class_with_options_of_its_own() -> None:
    app = make_app(
        [Mushroom],
        settings={
            USE: f"{__name__}.Accounts",
            "multiauth.policy.basicauth.realm": "Forest",
            "multiauth.policy.basicauth.password": "secret",
        },
    )

    user = app.get("/v0/", headers=basic_auth("mat", "secret")).json["user"]
    refused = app.get("/v0/mushrooms", headers=basic_auth("mat", "other"), status=401)

    assert user == {"id": "basicauth:mat"}
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="Forest"'


def only_mat(userid: Any, request: Any) -> Any:
    """Refuse everybody else, by the id that the policy gave or by the public one."""
    assert request.prefixed_userid == f"basicauth:{userid}"
    return ["group:pickers", "group:pickers"] if request.prefixed_userid == MAT else None


@pytest.mark.clause("S-16.5", "S-17.2")
@pytest.mark.setting("multiauth.groupfinder")
def test_a_group_finder_gives_principals() -> None:
    app = make_app(
        [Toadstool],
        settings={
            "multiauth.groupfinder": f"{__name__}.only_mat",
            "toadstool_create_principals": "group:pickers",
        },
    )

    created = app.post_json("/v0/toadstools", BODY, headers=AS_MAT, status=201).json
    assert created["permissions"] == {"write": [MAT]}
    app.post_json("/v0/toadstools", BODY, headers=AS_EVE, status=401)


@pytest.mark.clause("S-16.5", "P-5.1", "P-5.2", "H-5.6", "S-18.3")
@pytest.mark.setting("multiauth.groupfinder")
def test_whom_the_group_finder_refuses_is_nobody(log_lines: Lines) -> None:
    app = make_app(
        [Toadstool],
        settings={
            "multiauth.groupfinder": f"{__name__}.only_mat",
            "logging_renderer": log_lines.renderer,
            "toadstool_create_principals": "group:pickers",
        },
    )
    eve = make_app().get("/v0/", headers=AS_EVE).json["user"]["id"]
    shared = {**BODY, "permissions": {"read": [eve], "write": [eve]}}
    record = app.post_json("/v0/toadstools", shared, headers=AS_MAT).json["data"]
    url = f"/v0/toadstools/{record['id']}"

    app.get(url, headers=AS_EVE, status=401)
    app.get("/v0/toadstools", headers=AS_EVE, status=401)
    app.put_json(url, BODY, headers=AS_EVE, status=401)

    assert (log_lines[-1]["uid"], log_lines[-1]["authn_type"]) == (None, None)
    assert "user" not in app.get("/v0/", headers=AS_EVE).json
    app.get(url, headers=AS_MAT, status=200)


def refuse_basic_auth(userid: Any, request: Any) -> Any:
    return None if request.authn_type == "basicauth" else []


@pytest.mark.clause("S-16.5", "H-4.2")
def test_after_a_refusal_the_next_policy_is_asked() -> None:
    app = make_app(
        [Mushroom],
        settings={
            "multiauth.policies": "basicauth sso",
            "multiauth.policy.sso.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
            "multiauth.groupfinder": f"{__name__}.refuse_basic_auth",
        },
    )

    as_ann = app.get("/v0/", headers=AS_MAT, extra_environ={"REMOTE_USER": "ann"}).json

    assert as_ann["user"] == {"id": "sso:ann"}
    app.get("/v0/mushrooms", headers=AS_MAT, status=401)


@pytest.mark.clause("S-16.2", "S-16.5", "S-16.6")
def test_empty_settings_stand_for_what_the_library_has() -> None:
    empty = dict.fromkeys((USE, "multiauth.groupfinder", "multiauth.authorization_policy"), "")
    app = make_app([Toadstool], settings={**empty, "toadstool_create_principals": "group:pickers"})
    app.app.registry.permission.add_user_principal(MAT, "group:pickers")

    app.post_json("/v0/toadstools", BODY, headers=AS_MAT, status=201)
    app.post_json("/v0/toadstools", BODY, headers=AS_EVE, status=403)


class Inheriting(AuthorizationPolicy):
    """Whoever may administer the collection may do everything with its records."""

    def get_bound_permissions(self, object_uri: Any, permission: Any) -> list[Any]:
        return [(object_uri, permission), ("/toadstools", "admin")]


@pytest.mark.clause("S-16.6", "P-25.4", "P-35.2", "H-5.11")
@pytest.mark.setting("multiauth.authorization_policy")
def test_an_authorization_policy_may_inherit_permissions() -> None:
    settings = {"toadstool_create_principals": "system.Authenticated"}
    inheriting = {"multiauth.authorization_policy": f"{__name__}.Inheriting"}
    for given, status in ((settings, 403), ({**settings, **inheriting}, 200)):
        app = make_app([Toadstool], settings=given)
        app.app.registry.permission.add_principal_to_ace("/toadstools", "admin", MAT)
        record = app.post_json("/v0/toadstools", BODY, headers=AS_EVE).json["data"]

        app.get(f"/v0/toadstools/{record['id']}", headers=AS_MAT, status=status)
        app.patch_json(f"/v0/toadstools/{record['id']}", BODY, headers=AS_MAT, status=status)
        app.get("/v0/toadstools", headers=AS_MAT, status=status)


@pytest.mark.clause("S-16.5", "S-16.6")
def test_settings_take_objects_as_well_as_their_names() -> None:
    app = make_app(
        [Mushroom],
        settings={
            "multiauth.groupfinder": only_mat,
            "multiauth.authorization_policy": Inheriting,
            USE: BasicAuthAuthenticationPolicy,
        },
    )

    app.get("/v0/mushrooms", headers=AS_MAT, status=200)
    app.get("/v0/mushrooms", headers=AS_EVE, status=401)
    assert app.app.registry.settings["multiauth.groupfinder"] is only_mat


# What a deployer sees of a mistake, at start-up


class NoPolicy:
    """A class of Pyramid 2, which cannot be one of several."""

    def identity(self, request: Any) -> None:
        return None


def failing(realm: str = "") -> None:
    raise ValueError("the file is missing")


def includeme(config: Any) -> None:
    """Set something up, but no policy."""
    config.registry.included = True


MISTAKES = {
    "class": (
        {USE: "nowhere.Policy"},
        ImportError,
        r"^Setting 'multiauth\.policy\.basicauth\.use' is 'nowhere\.Policy': No module named",
    ),
    "name in a module": (
        {USE: "cliquet.authentication.BasicAuth"},
        ImportError,
        r"^Setting 'multiauth\.policy\.basicauth\.use' is 'cliquet\.authentication\.BasicAuth'",
    ),
    "no class": (
        {USE: "cliquet.authentication"},
        ConfigurationError,
        r"^Setting 'multiauth\.policy\.basicauth\.use' is 'cliquet\.authentication', which cannot",
    ),
    "option": (
        {"multiauth.policy.basicauth.relam": "Forest", "multiauth.policy.basicauth.debug": False},
        ConfigurationError,
        r"multiauth\.policy\.basicauth\.use' is .* with the options debug, relam: .*'relam'",
    ),
    "missing option": (
        {USE: "cliquet.authentication.IPAuthenticationPolicy"},
        ConfigurationError,
        r"basicauth\.use' is .* cannot be made without 'multiauth\.policy\.basicauth\.ipaddrs'\.",
    ),
    "value of an option": (
        {
            USE: "pyramid_ipauth.IPAuthentictionPolicy",
            "multiauth.policy.basicauth.ipaddrs": "10.0.0.1 10.0.0.300",
        },
        ConfigurationError,
        r"multiauth\.policy\.basicauth\.use' .* ipaddrs: ipaddrs has '10\.0\.0\.300', which is no",
    ),
    "failure": (
        {USE: f"{__name__}.failing"},
        ConfigurationError,
        r"multiauth\.policy\.basicauth\.use' .*: the file is missing$",
    ),
    "no policy": (
        {USE: f"{__name__}.NoPolicy"},
        ConfigurationError,
        r"multiauth\.policy\.basicauth\.use' makes .* it has no authenticated_userid, effective_",
    ),
    "unknown name": (
        {"multiauth.policies": "basicauth fxa"},
        ValueError,
        r"^Setting 'multiauth\.policies' has 'fxa', which has no setting 'multiauth\.policy\.fxa\.",
    ),
    "library of the same name": (
        {"multiauth.policies": "basicauth json"},
        ValueError,
        r"^Setting 'multiauth\.policies' has 'json', which has no setting "
        r"'multiauth\.policy\.json\.use', and the module of that name is none to include",
    ),
    "options without class": (
        {"multiauth.policies": "ipauth", "multiauth.policy.ipauth.ipaddrs": "10.0.0.1"},
        ValueError,
        r"^Setting 'multiauth\.policy\.ipauth\.use' is missing: 'ipauth' has the options ipaddrs",
    ),
    "class without use": (
        {"multiauth.policy.basicauth": "cliquet.authentication.BasicAuthAuthenticationPolicy"},
        ValueError,
        r"^Setting 'multiauth\.policy\.basicauth' has no effect; its class is named by",
    ),
    "group finder": (
        {"multiauth.groupfinder": "nowhere.groups"},
        ImportError,
        r"^Setting 'multiauth\.groupfinder' is 'nowhere\.groups': No module named",
    ),
    "authorization policy": (
        {"multiauth.authorization_policy": "nowhere.Policy"},
        ImportError,
        r"^Setting 'multiauth\.authorization_policy' is 'nowhere\.Policy': No module named",
    ),
    "empty class": (
        {"multiauth.policies": "fxa", "multiauth.policy.fxa.use": ""},
        SettingError,
        r"^Setting 'multiauth\.policy\.fxa\.use' is ''; allowed: a dotted Python name\.$",
    ),
}


@pytest.mark.clause("S-16.1", "S-16.5", "S-16.6", "S-22")
@pytest.mark.parametrize(("settings", "error", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_stops_the_start_and_names_the_setting(
    settings: dict[str, Any], error: type[Any], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        make_app(settings=settings)
    assert type(raised.value) is error


@pytest.mark.clause("S-16.1", "S-22")
def test_a_module_that_brings_no_policy_stops_the_start() -> None:
    missing = rf"'multiauth\.policies' has '{__name__}'.* 'multiauth\.policy\.{__name__}\.use'"

    with pytest.raises(ConfigurationError, match=missing):
        make_app(settings={"multiauth.policies": f"basicauth {__name__}"})
