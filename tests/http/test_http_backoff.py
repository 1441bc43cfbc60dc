"""Headers that ask clients to come less often, or later (H-27)."""

import pytest
from support.outcomes import OUTCOMES, Outcome, make_outcomes_app, outcomes
from webtest import TestApp

RETRY_LATER = ("backend-failure", "maintenance")


@pytest.fixture(scope="module")
def busy() -> TestApp:
    return make_outcomes_app({"backoff": 10})


@pytest.fixture(scope="module")
def idle() -> TestApp:
    return make_outcomes_app()


@pytest.mark.clause("H-27.1", "S-8.1", "D-73")
@outcomes()
def test_every_response_asks_clients_to_back_off(busy: TestApp, outcome: Outcome) -> None:
    assert outcome(busy).headers["Backoff"] == "10"


@pytest.mark.clause("H-27.1", "S-8.1")
def test_the_answer_after_the_end_of_service_asks_clients_to_back_off() -> None:
    app = make_outcomes_app({"backoff": 10, "eos": "2000-01-01"})
    assert app.get("/v0/", status=410).headers["Backoff"] == "10"


@pytest.mark.clause("H-27.1")
def test_the_answer_to_a_preflight_asks_clients_to_back_off(busy: TestApp) -> None:
    headers = {"Origin": "http://a.example", "Access-Control-Request-Method": "GET"}
    assert busy.options("/v0/mushrooms", headers=headers, status=200).headers["Backoff"] == "10"


@pytest.mark.clause("H-27.2")
@outcomes()
def test_without_the_setting_no_response_asks_clients_to_back_off(
    idle: TestApp, outcome: Outcome
) -> None:
    assert "Backoff" not in outcome(idle).headers


@pytest.mark.clause("S-8.2")
@pytest.mark.setting("backoff")
@pytest.mark.parametrize(("value", "sent"), [(0, "0"), ("0", "0"), ("5", "5"), ("soon", "soon")])
def test_any_value_is_sent_as_text_zero_included(value: int | str, sent: str) -> None:
    app = make_outcomes_app({"backoff": value})
    assert app.get("/v0/").headers["Backoff"] == sent


@pytest.mark.clause("S-8.1")
def test_a_change_of_the_running_service_is_effective_at_the_next_response() -> None:
    app = make_outcomes_app()
    app.app.registry.settings["backoff"] = 7
    assert app.get("/v0/").headers["Backoff"] == "7"


@pytest.mark.clause("H-27.3", "S-8.3")
@outcomes()
def test_only_503_says_when_to_come_back_and_the_heartbeat_does_not(
    idle: TestApp, outcome: Outcome
) -> None:
    expected = "30" if outcome.name in RETRY_LATER else None
    assert outcome(idle).headers.get("Retry-After") == expected


@pytest.mark.clause("S-8.3")
@pytest.mark.setting("retry_after_seconds")
@pytest.mark.parametrize("outcome", [o for o in OUTCOMES if o.name in RETRY_LATER])
def test_the_delay_is_a_setting_in_seconds_for_custom_503_too(outcome: Outcome) -> None:
    app = make_outcomes_app({"retry_after_seconds": 120})
    assert outcome(app).headers["Retry-After"] == "120"
