"""The announced end of the service, and what follows it (H-28)."""

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from support.outcomes import OUTCOMES, Outcome, make_outcomes_app, outcomes
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import Service, errors, utils

FUTURE, PAST = "2999-01-01", "2000-01-01"
ORIGIN = {"Origin": "http://a.example"}


def alert(response: Any) -> Any:
    return json.loads(response.headers["Alert"])


@pytest.fixture(scope="module")
def announced() -> TestApp:
    settings = {"eos": FUTURE, "eos_message": "Change é", "eos_url": "http://eos.example/"}
    return make_outcomes_app(settings)


@pytest.fixture(scope="module")
def ended() -> TestApp:
    settings = {"eos": PAST, "eos_message": "Too late", "project_docs": "http://docs.example/"}
    return make_outcomes_app(settings)


@pytest.fixture(scope="module")
def eternal() -> TestApp:
    return make_outcomes_app()


def alerting_app(settings: Any = None, **alert_arguments: Any) -> TestApp:
    def view(request: Any) -> dict[Any, Any]:
        errors.send_alert(request, **alert_arguments)
        return {}

    def configure(config: Any) -> None:
        service = Service(name="alerting", path="/alerting")
        service.add_view("GET", view)
        config.add_cornice_service(service)

    return make_app(settings=settings, configure=configure)


# No date


@pytest.mark.clause("E-20.1")
@pytest.mark.parametrize(
    ("date", "sunset", "deprecation"),
    [
        (FUTURE, "Tue, 01 Jan 2999 00:00:00 GMT", "@32472144000"),
        (PAST, "Sat, 01 Jan 2000 00:00:00 GMT", "@946684800"),
        ("2000-01-01T02:00+02:00", "Sat, 01 Jan 2000 00:00:00 GMT", "@946684800"),
        # The last instant of HTTP dates is before this one.
        ("9999-12-31T23:59-12:00", "Fri, 31 Dec 9999 23:59:59 GMT", "@253402343940"),
    ],
)
def test_the_date_is_in_the_headers_of_the_standards(
    date: str, sunset: str, deprecation: str
) -> None:
    response = make_app(settings={"eos": date}).get("/v0/", expect_errors=True)

    assert response.headers["Sunset"] == sunset
    assert response.headers["Deprecation"] == deprecation
    assert not {"Sunset", "Deprecation"} & set(make_app().get("/v0/").headers)


@pytest.mark.clause("H-28.1")
@outcomes()
def test_without_a_date_there_is_no_alert(eternal: TestApp, outcome: Outcome) -> None:
    assert "Alert" not in outcome(eternal).headers


@pytest.mark.clause("S-8.6")
def test_an_empty_date_is_none() -> None:
    response = make_app(settings={"eos": ""}).get("/v0/", status=200)
    assert "Alert" not in response.headers
    assert "eos" not in response.json


# Before


@pytest.mark.clause("H-28.2", "S-8.7")
@pytest.mark.setting("eos", "eos_message", "eos_url")
@outcomes()
def test_before_the_date_requests_work_and_every_response_alerts(
    announced: TestApp, outcome: Outcome
) -> None:
    assert alert(outcome(announced)) == {
        "code": "soft-eol",
        "message": "Change é",
        "url": "http://eos.example/",
    }


@pytest.mark.clause("H-28.2", "S-8.7")
@pytest.mark.setting("project_docs")
def test_the_alert_leads_to_the_documentation_and_says_nothing_by_default() -> None:
    app = make_app(settings={"eos": FUTURE, "project_docs": "http://docs.example/"})
    assert alert(app.get("/v0/")) == {
        "code": "soft-eol",
        "message": None,
        "url": "http://docs.example/",
    }


@pytest.mark.clause("S-8.6")
def test_the_hello_view_shows_the_date(announced: TestApp) -> None:
    assert announced.get("/v0/").json["eos"] == FUTURE


@pytest.mark.clause("S-8.7")
def test_a_date_that_is_set_in_the_running_service_is_effective_at_the_next_request() -> None:
    app = make_app()
    app.app.registry.settings["eos"] = PAST
    app.get("/v0/", status=410)


# After


@pytest.mark.clause("H-28.3", "S-8.7")
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.name)
def test_after_the_date_every_request_is_answered_410(ended: TestApp, outcome: Outcome) -> None:
    method = outcome.method.lower()
    response = getattr(ended, method)(outcome.path, headers=outcome.headers, status=410)

    assert response.content_type == "application/json"
    assert alert(response) == {
        "code": "hard-eol",
        "message": "Too late",
        "url": "http://docs.example/",
    }
    if method != "head":
        assert response.json == {
            "code": 410,
            "errno": 202,
            "error": "Gone",
            "message": "The service you are trying to connect no longer exists at this location.",
        }


@pytest.mark.clause("H-28.3")
@pytest.mark.parametrize("method", ["OPTIONS", "DELETE", "PATCH", "PUT", "TRACE"])
def test_after_the_date_every_method_is_answered_410(ended: TestApp, method: str) -> None:
    ended.request("/v0/mushrooms", method=method, status=410)


@pytest.mark.clause("S-8.7")
def test_after_the_date_no_view_is_run() -> None:
    calls = []

    def configure(config: Any) -> None:
        service = Service(name="counting", path="/counting")
        service.add_view("GET", lambda request: calls.append(request) or {})  # type: ignore[func-returns-value]
        config.add_cornice_service(service)

    app = make_app(settings={"eos": PAST}, configure=configure)
    app.get("/v0/counting", status=410)
    assert calls == []


@pytest.mark.clause("D-41", "S-23.10")
@outcomes()
def test_scripts_of_other_origins_can_read_the_alert_of_a_410(
    ended: TestApp, outcome: Outcome
) -> None:
    method = outcome.method.lower()
    headers = {**outcome.headers, **ORIGIN}
    response = getattr(ended, method)(outcome.path, headers=headers, status=410)

    assert response.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN["Origin"])
    assert "Alert" in response.headers["Access-Control-Expose-Headers"].split(", ")
    assert "Authorization" in response.headers["Vary"].split(", ")


@pytest.mark.clause("D-41", "H-29.4")
def test_scripts_of_an_origin_that_is_not_allowed_cannot_read_a_410() -> None:
    app = make_app(settings={"eos": PAST, "cors_origins": "http://b.example"})
    response = app.get("/v0/", headers=ORIGIN, status=410)
    assert "Access-Control-Allow-Origin" not in response.headers


# The date itself


@pytest.mark.clause("H-28.4")
@pytest.mark.parametrize(("late_ms", "status"), [(-1, 200), (0, 410), (1, 410)])
def test_the_date_is_compared_with_the_clock_of_each_request(
    monkeypatch: pytest.MonkeyPatch, late_ms: int, status: int
) -> None:
    end = datetime(2031, 1, 22, 18, tzinfo=timezone.utc)
    app = make_app(settings={"eos": end.isoformat()})
    app.get("/v0/", status=200)
    monkeypatch.setattr(utils, "msec_time", lambda: int(end.timestamp() * 1000) + late_ms)
    app.get("/v0/", status=status)


@pytest.mark.clause("D-44", "S-8.6", "S-23.9")
@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2069-12-25", "2069-12-25T00:00:00+00:00"),
        ("20691225", "2069-12-25T00:00:00+00:00"),
        ("2069-12-25T18:30", "2069-12-25T18:30:00+00:00"),
        ("2069-12-25T18:30:15", "2069-12-25T18:30:15+00:00"),
        ("2069-12-25 18:30:15", "2069-12-25T18:30:15+00:00"),
        ("2069-12-25T18:30:15Z", "2069-12-25T18:30:15+00:00"),
        ("2069-12-25T18:30:15+02:00", "2069-12-25T16:30:15+00:00"),
        ("2069-12-25T18:30:15-0500", "2069-12-25T23:30:15+00:00"),
    ],
)
def test_dates_and_times_with_or_without_zone_are_that_instant(
    monkeypatch: pytest.MonkeyPatch, text: str, instant: str
) -> None:
    app = make_app(settings={"eos": text})
    end_ms = int(datetime.fromisoformat(instant).timestamp() * 1000)
    monkeypatch.setattr(utils, "msec_time", lambda: end_ms - 1)
    app.get("/v0/", status=200)
    monkeypatch.setattr(utils, "msec_time", lambda: end_ms)
    app.get("/v0/", status=410)


@pytest.mark.clause("D-44", "S-23.8")
@pytest.mark.parametrize("text", ["tomorrow", "2069", "2069-13-01", "2069-12-25T99:00", "12/25/69"])
def test_a_date_that_is_none_refuses_to_start(text: str) -> None:
    with pytest.raises(ValueError, match=r"Setting 'eos' is .*ISO 8601"):
        make_app(settings={"eos": text})


# Alerts of applications


@pytest.mark.clause("H-28.6")
def test_applications_alert_with_a_default_code_and_url() -> None:
    app = alerting_app({"project_docs": "http://docs.example/"}, message="Change soon")
    assert alert(app.get("/v0/alerting")) == {
        "code": "soft-eol",
        "message": "Change soon",
        "url": "http://docs.example/",
    }


@pytest.mark.clause("H-28.6")
def test_applications_choose_the_code_message_and_url_of_an_alert() -> None:
    app = alerting_app(message="m", url="http://u.example/", code="hard-eol")
    assert alert(app.get("/v0/alerting")) == {
        "code": "hard-eol",
        "message": "m",
        "url": "http://u.example/",
    }


@pytest.mark.clause("H-28.5")
def test_the_alert_of_the_end_of_service_is_the_only_one() -> None:
    app = alerting_app({"eos": FUTURE}, message="mine")
    response = app.get("/v0/alerting")
    assert len(response.headers.getall("Alert")) == 1
    assert alert(response)["message"] is None


@pytest.mark.clause("H-28.5")
def test_the_alert_of_the_end_of_service_replaces_that_of_a_deprecated_parameter(
    announced: TestApp,
) -> None:
    headers = OUTCOMES[1].headers
    response = announced.get("/v0/mushrooms?_to=1", headers=headers)
    assert len(response.headers.getall("Alert")) == 1
    assert alert(response)["message"] == "Change é"
