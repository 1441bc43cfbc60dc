"""A plug-in whose users a provider elsewhere knows, as those of Firefox Accounts (S-16.8)."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from oauth_provider import Provider, running_provider
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from servers.processes import free_port
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet.testing.bounded import wait_until
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth

pytestmark = pytest.mark.clause("S-16.8")

URL = "/v0/mushrooms"
BODY = {"data": {"name": "cep"}}


def as_(token: Any) -> dict[str, Any]:
    return {"Authorization": f"Bearer {token}"}


def settings_of(provider: Any, **more: Any) -> dict[Any, Any]:
    return {
        "includes": "oauth_accounts",
        "multiauth.policies": "fxa",
        "multiauth.policy.fxa.use": "oauth_accounts.authentication.FxAOAuthAuthenticationPolicy",
        "fxa-oauth.oauth_uri": provider.uri,
        "fxa-oauth.client_id": provider.client_id,
        "fxa-oauth.client_secret": provider.client_secret,
        "fxa-oauth.webapp.authorized_domains": "*.example.org",
        **{f"fxa-oauth.{name}": value for name, value in more.items()},
    }


@pytest.fixture
def provider() -> Iterator[Any]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def app(provider: Any) -> TestApp:
    return make_app([Mushroom], settings=settings_of(provider))


@pytest.mark.clause("S-16.4", "H-5.2", "H-4.10", "S-16.1")
@pytest.mark.setting("includes", "multiauth.policies")
def test_users_of_the_provider_have_records_of_their_own(app: TestApp) -> None:
    created = app.post_json(URL, BODY, headers=as_("of-ann"), status=201).json["data"]

    assert app.get(URL, headers=as_("of-ann")).json["data"] == [created]
    assert app.get(URL, headers=as_("of-bob")).json["data"] == []
    assert app.get("/v0/", headers=as_("of-ann")).json["user"] == {"id": "fxa:ann"}
    # The list has no Basic Auth.
    refused = app.get(URL, headers=basic_auth(), status=401)
    assert refused.headers.getall("WWW-Authenticate") == ['Bearer realm="Realm"']


@pytest.mark.parametrize("token", ["forged", "of-mail", "of-nothing", "é"])
def test_a_token_that_is_refused_or_of_another_scope_is_no_credential(
    app: TestApp, provider: Provider, token: str
) -> None:
    headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}

    refused = app.get(URL, headers=headers, status=401)

    assert refused.json["errno"] == 104
    assert len(provider.verified()) == 1
    assert "user" not in app.get("/v0/", headers=headers).json


@pytest.mark.parametrize(("scope", "status"), [("profile sync", 200), ("profile mail", 401)])
def test_the_required_scope_is_a_setting_of_the_plugin(
    provider: Provider, scope: str, status: int
) -> None:
    app = make_app([Mushroom], settings=settings_of(provider, required_scope=scope))

    app.get(URL, headers=as_("of-ann"), status=status)


def test_a_verification_is_kept_in_the_cache(app: TestApp, provider: Provider) -> None:
    app.get(URL, headers=as_("of-ann"))
    app.get(URL, headers=as_("of-ann"))
    assert provider.verified() == ["of-ann"]
    app.get(URL, headers=as_("of-bob"))
    assert provider.verified() == ["of-ann", "of-bob"]


def test_a_verification_is_kept_until_it_expires(provider: Provider) -> None:
    app = make_app([Mushroom], settings=settings_of(provider, cache_ttl_seconds=0.3))
    app.get(URL, headers=as_("of-ann"))

    # The provider withdraws the token: it is refused from its expiry on, at the latest.
    del provider.tokens["of-ann"]

    def status() -> int:
        answer = app.get(URL, headers=as_("of-ann"), status=[200, 401])
        return int(answer.status_int)

    wait_until(lambda: status() == 401, "the expiry")
    assert provider.verified() == ["of-ann", "of-ann"]


@pytest.mark.parametrize("backend", ["cliquet.cache.memory", ""])
def test_a_request_has_its_token_verified_once_at_most(provider: Provider, backend: str) -> None:
    settings = {**settings_of(provider), "cache_backend": backend}
    app = make_app([Mushroom], settings=settings)

    app.post_json(URL, BODY, headers=as_("of-ann"), status=201)

    assert provider.verified() == ["of-ann"]


def test_a_batch_has_each_token_verified_once(app: TestApp, provider: Provider) -> None:
    requests = [{"path": "/", "headers": as_(f"of-{user}")} for user in ("ann", "bob") * 3]
    requests.append({"path": "/"})

    answers = app.post_json("/v0/batch", {"requests": requests}).json["responses"]

    users = [answer["body"].get("user", {}).get("id") for answer in answers]
    assert users == ["fxa:ann", "fxa:bob"] * 3 + [None]
    assert provider.verified() == ["of-ann", "of-bob"]


@pytest.mark.clause("H-26.10", "P-20.3", "D-38")
@pytest.mark.setting("retry_after_seconds")
@pytest.mark.parametrize("way", ["answers 503", "is not there"])
def test_while_the_provider_is_down_clients_are_told_to_come_back(
    provider: Provider, way: str
) -> None:
    settings = {**settings_of(provider), "retry_after_seconds": 7}
    if way == "is not there":
        settings["fxa-oauth.oauth_uri"] = f"http://127.0.0.1:{free_port()}"
    app = make_app([Mushroom], settings=settings)
    provider.is_well = False

    refused = app.post_json(URL, BODY, headers=as_("of-ann"), status=503)
    batch = {"requests": [{"path": "/mushrooms", "headers": as_("of-ann")}]}
    batched = app.post_json("/v0/batch", batch, status=503)

    for response in (refused, batched):
        assert response.headers["Retry-After"] == "7"
        assert response.json["errno"] == 201
        assert response.json["message"] == "Tokens cannot be verified now."
        assert "WWW-Authenticate" not in response.headers
    # Whoever sends no token is refused as ever.
    app.get(URL, status=401)
    # What was verified before is good for as long as the cache has it.
    provider.is_well = True
    if way == "answers 503":
        app.get(URL, headers=as_("of-ann"), status=200)
        provider.is_well = False
        app.get(URL, headers=as_("of-ann"), status=200)


@pytest.mark.clause("P-4.5", "P-6.4")
@pytest.mark.parametrize("is_well", [True, False])
def test_the_heartbeat_tells_how_the_provider_is(
    app: TestApp, provider: Provider, is_well: bool
) -> None:
    provider.is_well = is_well

    told = app.get("/v0/__heartbeat__", status=200 if is_well else 503).json

    assert told["oauth"] is is_well
    assert told["storage"] is True


def test_the_heartbeat_notices_a_provider_that_is_not_there(provider: Provider) -> None:
    settings = settings_of(provider, oauth_uri=f"http://127.0.0.1:{free_port()}")

    assert make_app(settings=settings).get("/v0/__heartbeat__", status=503).json["oauth"] is False


@pytest.mark.clause("S-1.12", "S-23.3", "S-2.5", "S-23.5", "P-2.9")
def test_its_settings_have_defaults_and_keep_what_looks_like_a_number(
    app: TestApp, provider: Provider
) -> None:
    settings = app.app.registry.settings

    assert settings["fxa-oauth.cache_ttl_seconds"] == 300
    assert settings["fxa-oauth.client_id"] == "0123456789"
    assert settings["fxa-oauth.client_secret"] == "12e4"
    assert settings["fxa-oauth.relier.enabled"] is True


@pytest.mark.clause("S-1.4", "S-1.12")
def test_the_environment_reaches_its_settings(
    monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    monkeypatch.setenv("FXA_OAUTH_CLIENT_SECRET", "007")
    monkeypatch.setenv("CLIQUET_FXA_OAUTH_RELIER_ENABLED", "false")

    app = make_app(settings=settings_of(provider))

    assert app.app.registry.settings["fxa-oauth.client_secret"] == "007"
    app.get("/v0/fxa-oauth/params", status=404)
    assert "fxa" not in app.get("/v0/").json["capabilities"]


def test_it_refuses_to_be_included_before_the_library(provider: Provider) -> None:
    config = Configurator(settings={**MEMORY_BACKENDS, **settings_of(provider)})

    with pytest.raises(ConfigurationError, match="must be initialized before"):
        config.include("oauth_accounts")


# Its views


@pytest.mark.clause("P-35.3", "P-35.4")
def test_a_user_logs_in_at_the_provider_and_comes_back_with_a_token(
    app: TestApp, provider: Provider
) -> None:
    back = {"redirect": "https://app.example.org/#token="}

    sent = app.get("/v0/fxa-oauth/login", params=back, status=302).location
    query = parse_qs(urlsplit(sent).query)
    assert sent.startswith(f"{provider.uri}/v1/authorization?")
    assert (query["client_id"], query["scope"]) == (["0123456789"], ["profile"])

    answer = {"code": "good", "state": query["state"][0]}
    landed = app.get("/v0/fxa-oauth/token", params=answer, status=302).location
    assert landed == "https://app.example.org/#token=of-ann"
    token = landed.partition("=")[2]
    assert app.get("/v0/", headers=as_(token)).json["user"] == {"id": "fxa:ann"}
    # A state is good once.
    again = app.get("/v0/fxa-oauth/token", params=answer, status=400).json
    assert again["message"] == "state in querystring: unknown or expired"


@pytest.mark.clause("P-35.3", "P-35.4", "P-19.6")
@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("login", {}, "redirect is missing"),
        (
            "login",
            {"redirect": "https://evil.example.com/"},
            "redirect URL is not authorized",
        ),
        ("token", {"state": "a"}, "code is missing"),
        ("token", {"code": "good", "state": "a"}, "state in querystring: unknown or expired"),
    ],
)
def test_faults_of_its_views_are_answered_as_those_of_the_library(
    app: TestApp, path: str, params: dict[str, Any], message: str
) -> None:
    answer = app.get(f"/v0/fxa-oauth/{path}", params=params, status=400).json

    assert (answer["errno"], answer["message"]) == (107, message)


def test_its_parameters_are_shown(app: TestApp, provider: Provider) -> None:
    shown = app.get("/v0/fxa-oauth/params").json

    assert shown == {"client_id": "0123456789", "oauth_uri": provider.uri}
