"""A plug-in that brings an authentication policy, a heartbeat, a capability and a setting."""

from typing import Any

import bearer
import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from webtest import TestApp

from cliquet import resource
from cliquet.authorization import AuthorizationPolicy
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth, make_app

SETTINGS = {
    "includes": "bearer",
    "multiauth.policies": "bearer basicauth",
    "multiauth.policy.bearer.use": "bearer.BearerPolicy",
    "multiauth.policy.bearer.realm": "Mycology",
}


class Mushroom(resource.UserResource):
    pass


class Basket(resource.ShareableResource):
    pass


def as_(user: Any) -> dict[str, Any]:
    return {"Authorization": f"Bearer token-{user}"}


@pytest.fixture
def app() -> TestApp:
    settings = {**SETTINGS, "basket_create_principals": "system.Authenticated"}
    return make_app([Mushroom, Basket], settings=settings)


@pytest.mark.clause("S-16.8", "S-16.9")
def test_users_of_the_policy_have_records_of_their_own(app: TestApp) -> None:
    created = app.post_json("/v0/mushrooms", {"data": {}}, headers=as_("alice")).json["data"]

    assert app.get("/v0/mushrooms", headers=as_("alice")).json["data"] == [created]
    assert app.get("/v0/mushrooms", headers=as_("bob")).json["data"] == []
    assert app.get("/v0/mushrooms", headers=basic_auth("alice")).json["data"] == []
    stored, _ = app.app.registry.storage.get_all("mushroom", "bearer:alice")
    assert stored == [created]


@pytest.mark.clause("S-16.8")
def test_a_token_is_checked_once_then_found_in_the_cache(app: TestApp) -> None:
    for _ in range(3):
        app.get("/v0/mushrooms", headers=as_("alice"))

    assert app.app.registry.provider.asked == ["token-alice"]


@pytest.mark.clause("S-16.8")
def test_without_cache_backend_the_provider_is_asked() -> None:
    app = make_app([Mushroom], settings={**SETTINGS, "cache_backend": ""})

    app.get("/v0/mushrooms", headers=as_("alice"))
    app.get("/v0/mushrooms", headers=as_("alice"))

    assert set(app.app.registry.provider.asked) == {"token-alice"}
    assert len(app.app.registry.provider.asked) >= 2


@pytest.mark.clause("P-20.1", "S-16.8")
def test_a_token_that_is_not_recognised_gets_the_challenges_of_all_policies(app: TestApp) -> None:
    response = app.get("/v0/mushrooms", headers={"Authorization": "Bearer forged"}, status=401)

    assert response.headers.getall("WWW-Authenticate") == [
        'Bearer realm="Mycology"',
        'Basic realm="Realm"',
    ]


@pytest.mark.clause("P-3.2", "P-5.8", "P-35.12")
def test_an_included_plugin_replaces_what_the_root_says_of_the_user(app: TestApp) -> None:
    described = app.get("/v0/", headers=as_("alice")).json

    assert described["user"] == {"id": "bearer:alice", "plan": "free"}


@pytest.mark.clause("P-4.5", "P-6.4", "S-16.8")
@pytest.mark.parametrize(("is_well", "status"), [(True, 200), (False, 503)])
def test_a_heartbeat_is_added(app: TestApp, is_well: bool, status: int) -> None:
    app.app.registry.provider.is_well = is_well

    response = app.get("/v0/__heartbeat__", status=status)

    assert response.json["oauth"] is is_well
    assert response.json["storage"] is True


@pytest.mark.clause("P-6.1", "P-35.18")
def test_a_capability_may_have_members_that_are_any_iterable(app: TestApp) -> None:
    expected = {
        "description": "Bearer tokens",
        "url": "https://bearer.example",
        "scopes": ["profile"],
        "grants": ["code", "implicit"],
    }

    # An iterator would be used up by the first of them.
    assert app.get("/v0/").json["capabilities"]["bearer"] == expected
    assert app.get("/v0/").json["capabilities"]["bearer"] == expected


@pytest.mark.clause("P-6.3", "P-4.6", "P-4.12")
def test_settings_become_public_under_the_names_that_were_given(app: TestApp) -> None:
    shown = app.get("/v0/").json["settings"]

    assert shown["bearer.scope"] == "profile"
    assert shown["cliquet.batch_max_requests"] == 25
    assert shown["batch_max_requests"] == 25


@pytest.mark.clause("S-16.8")
def test_the_plugin_cannot_come_before_the_library() -> None:
    config = Configurator(settings=dict(MEMORY_BACKENDS))

    with pytest.raises(ConfigurationError, match="must be initialized before"):
        config.include("bearer")


@pytest.mark.clause("P-35.1", "P-5.13")
def test_principals_of_the_request_are_all_listed(app: TestApp) -> None:
    app.app.registry.permission.add_user_principal("bearer:alice", "group:pickers")

    told = app.get("/v0/whoami", headers=as_("alice")).json

    assert told["id"] == "bearer:alice"
    assert set(told["principals"]) == {
        "bearer:alice",
        "bearer_alice",
        "group:pickers",
        "system.Authenticated",
        "system.Everyone",
    }


@pytest.mark.clause("S-16.8", "P-25.2")
def test_a_group_of_a_user_of_the_policy_may_read_what_is_shared_with_it(app: TestApp) -> None:
    shared = {"data": {}, "permissions": {"read": ["group:pickers"]}}
    record = app.post_json("/v0/baskets", shared, headers=as_("alice")).json["data"]
    url = f"/v0/baskets/{record['id']}"
    app.get(url, headers=as_("bob"), status=403)

    app.app.registry.permission.add_user_principal("bearer:bob", "group:pickers")

    assert app.get(url, headers=as_("bob")).json["data"] == record


class GreedyPolicy(AuthorizationPolicy):
    """Changes the list that it is given, and inherits permissions."""

    seen: list = []

    def permits(self, context: Any, principals: Any, permission: Any) -> Any:
        assert type(principals) is list
        self.seen.append(sorted(principals))
        allowed = super().permits(context, principals, permission)
        principals.clear()
        principals.append("system.Nobody")
        return allowed

    def get_bound_permissions(self, object_uri: Any, permission: Any) -> list[Any]:
        return [(object_uri, permission), ("/baskets", "admin")]


@pytest.mark.clause("P-35.2", "P-25.4", "S-16.6")
def test_a_policy_may_change_the_principals_and_inherit_permissions() -> None:
    policy = f"{__name__}.GreedyPolicy"
    app = make_app([Basket], settings={**SETTINGS, "multiauth.authorization_policy": policy})
    permission = app.app.registry.permission
    permission.add_principal_to_ace("/baskets", "admin", "bearer:alice")
    record = app.post_json("/v0/baskets", {"data": {}}, headers=as_("alice")).json["data"]
    url = f"/v0/baskets/{record['id']}"
    GreedyPolicy.seen.clear()

    app.get(url, headers=as_("alice"))
    app.get(url, headers=as_("bob"), status=403)

    batch = {"defaults": {"method": "GET"}, "requests": [{"path": url}, {"path": url}]}
    answers = app.post_json("/v0/batch", batch, headers=as_("alice")).json["responses"]
    assert [answer["status"] for answer in answers] == [200, 200]
    assert all("system.Nobody" not in principals for principals in GreedyPolicy.seen)
    assert len(GreedyPolicy.seen) == 4


def test_the_plugin_s_own_defaults_do_not_win_over_settings() -> None:
    app = make_app(settings={**SETTINGS, "bearer.scope": "all"})

    assert app.get("/v0/").json["settings"]["bearer.scope"] == "all"
    assert bearer.DEFAULT_SETTINGS["bearer.scope"] == "profile"
