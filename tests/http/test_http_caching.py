"""What caches between the service and its clients may keep (H-30)."""

from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.outcomes import FUTURE_ETAG, Outcome, make_outcomes_app, outcomes
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import resource, utils
from cliquet.testing.web import basic_auth

AUTH = basic_auth()
CACHE_HEADERS = {"Cache-Control", "Expires", "Pragma"}
PRIVATE = {"Cache-Control": "private, no-cache"}
READS = {"list", "head", "not-modified"}
NOW_MS = 1_767_225_600_999


class Poster(resource.UserResource):
    """Records that anybody reads: the case of a shareable resource, reduced to what matters."""

    def get_parent_id(self, request: Any) -> str:
        return "the wall"


def poster_context(request: Any) -> Any:
    """Name the resource, as the context of a shareable one does."""
    return SimpleNamespace(resource_name="poster")


def make_poster_app(**settings: Any) -> TestApp:
    kwargs = {
        "default_arguments": {"permission": NO_PERMISSION_REQUIRED, "accept": ["application/json"]},
        "service_arguments": {"factory": poster_context},
    }
    return make_app([(Poster, kwargs)], settings=settings)


def create_poster(app: TestApp) -> Any:
    """Return the path of a new record."""
    return "/v0/posters/" + app.post_json("/v0/posters", {}).json["data"]["id"]


def cache_headers(response: Any) -> dict[Any, Any]:
    """Return those of the headers of caches that the response has."""
    return {name: response.headers[name] for name in CACHE_HEADERS & set(response.headers)}


@pytest.fixture(scope="module")
def app() -> TestApp:
    return make_outcomes_app()


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock."""
    monkeypatch.setattr(utils, "msec_time", lambda: NOW_MS)


# Which responses


@pytest.mark.clause("H-30.1", "D-69")
@pytest.mark.parametrize("method", ["get", "head"])
def test_what_a_user_reads_is_not_to_be_cached(app: TestApp, method: str) -> None:
    created = app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH)
    for path in ("/v0/mushrooms", f"/v0/mushrooms/{created.json['data']['id']}"):
        response = getattr(app, method)(path, headers=AUTH)
        assert cache_headers(response) == PRIVATE


@pytest.mark.clause("H-30.5")
@outcomes(*READS)
def test_errors_redirects_writes_and_utility_endpoints_say_nothing_of_caches(
    app: TestApp, outcome: Outcome
) -> None:
    assert cache_headers(outcome(app)) == {}


@pytest.mark.clause("H-30.5")
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_writes_of_a_record_say_nothing_of_caches(app: TestApp, method: str) -> None:
    created = app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH)
    path = f"/v0/mushrooms/{created.json['data']['id']}"
    send = getattr(app, f"{method}_json")
    response = send(path, {"data": {"name": "morel"}}, headers=AUTH, status=200)
    assert cache_headers(response) == {}


@pytest.mark.clause("D-40", "H-30.5")
def test_a_304_says_of_caches_what_the_200_would_have_said(app: TestApp) -> None:
    created = app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH)
    for path in ("/v0/mushrooms", f"/v0/mushrooms/{created.json['data']['id']}"):
        headers = {**AUTH, "If-None-Match": FUTURE_ETAG}
        response = app.get(path, headers=headers, status=304)
        assert cache_headers(response) == PRIVATE


@pytest.mark.clause("H-30.4")
@outcomes()
def test_pragma_is_never_sent(app: TestApp, outcome: Outcome) -> None:
    assert "Pragma" not in outcome(app).headers


# A lifetime for anonymous readers


@pytest.mark.clause("H-30.2", "S-10.1")
@pytest.mark.setting("{resource_name}_cache_expires_seconds")
@pytest.mark.parametrize("seconds", [3600, "3600"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_what_anybody_reads_may_be_cached_for_a_while(
    frozen: None, seconds: int | str, method: str
) -> None:
    app = make_poster_app(poster_cache_expires_seconds=seconds)
    for path in ("/v0/posters", create_poster(app)):
        response = getattr(app, method)(path)
        sent = cache_headers(response)
        assert set(sent) == {"Cache-Control", "Expires"}
        assert sent["Cache-Control"] == "max-age=3600"
        expires = parsedate_to_datetime(sent["Expires"])
        assert int(expires.timestamp()) == NOW_MS // 1000 + 3600


@pytest.mark.clause("D-40", "H-30.2")
def test_the_304_of_what_anybody_reads_renews_its_lifetime(frozen: None) -> None:
    app = make_poster_app(poster_cache_expires_seconds=3600)
    for path in ("/v0/posters", create_poster(app)):
        expected = cache_headers(app.get(path))
        response = app.get(path, headers={"If-None-Match": FUTURE_ETAG}, status=304)
        assert cache_headers(response) == expected != {}


@pytest.mark.clause("H-30.3", "D-69", "S-10.2")
def test_the_same_read_by_a_user_is_not_to_be_cached() -> None:
    app = make_poster_app(poster_cache_expires_seconds=3600)
    for path in ("/v0/posters", create_poster(app)):
        assert cache_headers(app.get(path, headers=AUTH)) == PRIVATE


@pytest.mark.clause("H-30.3", "S-10.2")
@pytest.mark.parametrize("settings", [{}, {"poster_cache_expires_seconds": 0}])
def test_without_a_lifetime_nothing_is_to_be_cached(settings: dict[str, Any]) -> None:
    app = make_poster_app(**settings)
    for path in ("/v0/posters", create_poster(app)):
        assert cache_headers(app.get(path)) == {"Cache-Control": "no-cache"}


@pytest.mark.clause("H-30.3", "S-10.2")
def test_an_empty_lifetime_is_none() -> None:
    app = make_poster_app(poster_cache_expires_seconds="")
    assert cache_headers(app.get("/v0/posters")) == {"Cache-Control": "no-cache"}


@pytest.mark.clause("S-10.3")
def test_a_lifetime_means_nothing_to_a_resource_that_only_users_read() -> None:
    app = make_app([Mushroom], settings={"mushroom_cache_expires_seconds": 3600})
    response = app.get("/v0/mushrooms", headers=AUTH)
    assert cache_headers(response) == PRIVATE


# Vary


@pytest.mark.clause("H-30.6", "S-8.5", "D-69")
@outcomes()
def test_every_response_says_that_it_depends_on_the_user(app: TestApp, outcome: Outcome) -> None:
    assert "Authorization" in outcome(app).headers["Vary"].split(", ")


@pytest.mark.clause("H-30.6", "S-8.5")
@outcomes("version-redirect", "slash-redirect", "unknown-url", "unknown-version", "invalid-escape")
def test_every_response_of_a_service_that_allows_all_origins_says_just_that(
    app: TestApp, outcome: Outcome
) -> None:
    assert outcome(app).headers.getall("Vary") == ["Authorization"]


@pytest.mark.clause("H-30.6", "S-8.5")
@pytest.mark.setting("vary")
@outcomes()
def test_a_setting_replaces_the_list(accepting_app: TestApp, outcome: Outcome) -> None:
    names = outcome(accepting_app).headers["Vary"].split(", ")
    assert set(names) - {"Origin"} == {"Accept-Language", "Accept"}
    assert names.index("Accept-Language") < names.index("Accept")


@pytest.fixture(scope="module")
def accepting_app() -> TestApp:
    return make_outcomes_app({"vary": "Accept-Language\n Accept"})


@pytest.mark.clause("H-30.6")
def test_the_answer_after_the_end_of_service_depends_on_the_user() -> None:
    app = make_app(settings={"eos": "2000-01-01"})
    assert "Authorization" in app.get("/v0/", status=410).headers["Vary"].split(", ")
