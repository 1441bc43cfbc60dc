"""What the service logs of requests (S-18.3 to S-18.6), and request ids (E-6.4)."""

import logging
import re
import threading
from datetime import datetime
from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.outcomes import OUTCOMES, Outcome, make_outcomes_app, outcomes
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom, Truffle
from webtest import TestApp

from cliquet import Service
from cliquet.events import AfterResourceChanged
from cliquet.monitoring import logs
from cliquet.testing import web
from cliquet.testing.bounded import Thread
from cliquet.testing.web import basic_auth
from cliquet.web.requests import build_request, follow_subrequest

AUTH = basic_auth()
UID = "9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
OUTCOME = {outcome.name: outcome for outcome in OUTCOMES}


class Journal(list):
    """The entries that an application logged, and the renderer class that fills it."""

    def renderer(self, settings: Any = None) -> Any:
        """Build a renderer, as the setting ``logging_renderer`` does."""

        def render(logger: Any, name: Any, entry: Any) -> str:
            self.append({**entry, "level": name})
            return f"{entry.get('event')}"

        return render

    def named(self, event: Any) -> list[Any]:
        return [entry for entry in self if entry["event"] == event]

    @property
    def summary(self) -> Any:
        """The only summary."""
        (summary,) = self.named("request.summary")
        return summary


@pytest.fixture(scope="module")
def journal_of_all() -> Journal:
    """One for all tests, so that they can share the application that writes it."""
    return Journal()


@pytest.fixture
def journal(journal_of_all: Journal, caplog: pytest.LogCaptureFixture) -> Journal:
    caplog.set_level(logging.DEBUG, logger="cliquet")
    journal_of_all.clear()
    return journal_of_all


def make_logged_app(journal: Journal, *args: Any, settings: Any = None, **kwargs: Any) -> Any:
    """Return a client of an application whose start is not in the journal."""
    app = make_app(
        *args, settings={**(settings or {}), "logging_renderer": journal.renderer}, **kwargs
    )
    journal.clear()
    return app


@pytest.fixture
def app(journal: Journal) -> Any:
    return make_logged_app(journal, RESOURCES)


@pytest.fixture
def outcomes_app(journal: Journal) -> TestApp:
    app = make_outcomes_app({"logging_renderer": journal.renderer})
    journal.clear()
    return app


def view_app(journal: Journal, view: Any, **kwargs: Any) -> Any:
    """Return a client of an application with one public view at /v0/view."""

    def configure(config: Any) -> None:
        service = Service(name="view", path="/view")
        service.add_view("GET", view, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    return make_logged_app(journal, configure=configure, **kwargs)


# The summary of a request


@pytest.mark.clause("S-18.5")
@outcomes("conflict")
def test_every_request_has_one_summary_at_level_info(
    outcomes_app: TestApp, journal: Journal, outcome: Outcome
) -> None:
    outcome(outcomes_app)
    assert journal.summary["level"] == "info"


@pytest.mark.clause("S-18.3", "S-23.23")
@outcomes("conflict")
def test_the_summary_has_path_method_status_and_duration(
    outcomes_app: TestApp, journal: Journal, outcome: Outcome
) -> None:
    outcome(outcomes_app)
    summary = journal.summary
    assert summary["path"] == outcome.path.partition("?")[0]
    assert summary["method"] == outcome.method
    assert summary["code"] == outcome.status
    assert type(summary["code"]) is int
    assert type(summary["t"]) is int
    assert summary["t"] >= 0


@pytest.mark.clause("S-18.3")
def test_the_summary_tells_what_the_client_said_of_itself(app: TestApp, journal: Journal) -> None:
    headers = {"User-Agent": "curl/8 é".encode().decode("latin-1"), "Accept-Language": "fr-FR"}
    app.get("/v0/?a=1&b=2&a=3", headers=headers)
    assert journal.summary["agent"] == headers["User-Agent"]
    assert journal.summary["lang"] == "fr-FR"
    assert journal.summary["querystring"] == {"a": "3", "b": "2"}


@pytest.mark.clause("S-18.3")
def test_the_summary_of_an_anonymous_request_says_that_nothing_is_known(
    app: TestApp, journal: Journal
) -> None:
    app.get("/v0/__lbheartbeat__")
    summary = journal.summary
    expected = dict.fromkeys(("agent", "lang", "uid", "authn_type", "errno"))
    assert {name: summary[name] for name in expected} == expected
    assert summary["querystring"] == {}


@pytest.mark.clause("S-18.3")
def test_the_summary_of_a_user_has_the_id_without_policy_and_the_policy(
    app: TestApp, journal: Journal
) -> None:
    app.get("/v0/mushrooms", headers=AUTH)
    assert (journal.summary["uid"], journal.summary["authn_type"]) == (UID, "basicauth")


@pytest.mark.clause("S-18.3")
@pytest.mark.parametrize(
    ("name", "errno"),
    [
        ("list", None),
        ("invalid-query", 107),
        ("invalid-escape", 107),
        ("anonymous", 104),
        ("forbidden", 121),
        ("unknown-url", 111),
        ("unknown-version", 116),
        ("bad-method", 115),
        ("precondition", 114),
        ("crash", 999),
        ("backend-failure", 201),
    ],
)
def test_the_summary_has_the_number_of_the_error(
    outcomes_app: TestApp, journal: Journal, name: str, errno: int | None
) -> None:
    OUTCOME[name](outcomes_app)
    assert journal.summary["errno"] == errno


@pytest.mark.clause("S-18.3")
def test_the_summary_of_a_list_tells_its_page(app: TestApp, journal: Journal) -> None:
    for _ in range(3):
        app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH)
    journal.clear()

    response = app.get("/v0/mushrooms?_limit=2", headers=AUTH)

    summary = journal.summary
    assert summary["collection_id"] == "mushroom"
    assert summary["collection_timestamp"] == int(response.headers["ETag"].strip('"'))
    assert (summary["nb_records"], summary["limit"]) == (2, 2)


@pytest.mark.clause("S-18.3")
def test_the_summary_of_an_empty_list_counts_nothing(app: TestApp, journal: Journal) -> None:
    app.get("/v0/mushrooms", headers=AUTH)
    assert journal.summary["nb_records"] == 0


@pytest.mark.clause("S-18.3")
def test_the_summary_of_a_list_tells_the_limit_of_the_service(journal: Journal) -> None:
    app = make_logged_app(journal, [Mushroom], settings={"paginate_by": 5})
    app.get("/v0/mushrooms?_limit=50", headers=AUTH)
    assert journal.summary["limit"] == 5


@pytest.mark.clause("S-18.3", "P-9.11")
def test_the_timestamp_of_the_collection_is_told_only_when_it_was_read(
    app: TestApp, journal: Journal
) -> None:
    app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH)
    assert journal.summary["collection_id"] == "mushroom"
    assert "collection_timestamp" not in journal.summary


@pytest.mark.clause("S-18.3")
def test_the_time_of_the_response_is_local_and_has_no_zone(app: TestApp, journal: Journal) -> None:
    before = datetime.now()
    app.get("/v0/")
    after = datetime.now()
    time = datetime.fromisoformat(journal.summary["time"])
    assert time.tzinfo is None
    assert before <= time <= after


@pytest.mark.clause("S-18.3")
def test_without_level_info_nothing_is_rendered(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()
    app = make_logged_app(journal, RESOURCES)
    caplog.set_level(logging.WARNING, logger="cliquet")
    app.get("/v0/mushrooms", headers=AUTH)
    assert journal == []


@pytest.mark.clause("S-18.5")
def test_a_subrequest_has_no_summary_of_its_own(journal: Journal) -> None:
    def view(request: Any) -> dict[Any, Any]:
        subrequest = build_request(request, {"path": "/__lbheartbeat__"})
        follow_subrequest(request, subrequest)
        return {}

    view_app(journal, view).get("/v0/view")
    assert journal.summary["path"] == "/v0/view"


# Nothing leaks


@pytest.mark.clause("S-18.4")
def test_a_request_knows_nothing_of_the_one_before(app: TestApp, journal: Journal) -> None:
    app.get("/v0/mushrooms?_limit=1", headers={**AUTH, "User-Agent": "curl"})
    app.get("/v0/mushrooms?_limit=x", headers=AUTH, status=400)
    journal.clear()

    app.get("/v0/__lbheartbeat__")

    summary = journal.summary
    for name in ("agent", "uid", "authn_type", "errno"):
        assert summary[name] is None
    for name in ("collection_id", "collection_timestamp", "nb_records", "limit"):
        assert name not in summary


@pytest.mark.slow
@pytest.mark.clause("S-18.4")
@outcomes()
def test_nothing_is_left_in_the_context_after_a_request(
    outcomes_app: TestApp, outcome: Outcome
) -> None:
    token = logs.begin()
    outcome(outcomes_app)
    left = logs.fields()
    logs.end(token)
    assert left == {}


@pytest.mark.clause("S-18.4")
def test_nothing_is_left_in_the_context_after_a_request_that_has_no_response(
    journal: Journal,
) -> None:
    class Failure(BaseException):
        """Not an error of the application: no view answers for it."""

    def view(request: Any) -> None:
        raise Failure

    app = view_app(journal, view)
    token = logs.begin()
    with pytest.raises(Failure):
        app.get("/v0/view")
    left = logs.fields()
    logs.end(token)
    assert left == {}


@pytest.mark.clause("S-18.4")
def test_nothing_is_left_in_the_context_after_the_end_of_service(journal: Journal) -> None:
    app = make_logged_app(journal, settings={"eos": "2000-01-01"})
    token = logs.begin()
    app.get("/v0/", status=410)
    left = logs.fields()
    logs.end(token)
    assert left == {}


@pytest.mark.clause("S-18.4")
def test_requests_of_several_threads_keep_their_own_context(journal: Journal) -> None:
    meeting = threading.Barrier(2, timeout=60)

    def view(request: Any) -> dict[Any, Any]:
        logs.bind(who=request.GET["who"])
        meeting.wait()
        logs.logger.info("inside")
        meeting.wait()
        return {}

    app = view_app(journal, view)
    threads = [Thread(target=app.get, args=(f"/v0/view?who={who}",)) for who in ("me", "you")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(journal) == 4
    assert {entry["who"] for entry in journal} == {"me", "you"}
    for entry in journal:
        assert entry["querystring"]["who"] == entry["who"]


# Other entries


@pytest.mark.clause("S-18.6", "S-23.23", "H-26.7")
def test_an_unexpected_exception_is_an_error_with_its_traceback(
    outcomes_app: TestApp, journal: Journal
) -> None:
    OUTCOME["crash"](outcomes_app)
    (entry,) = journal.named("a secret")
    assert entry["level"] == "error"
    assert "RuntimeError: a secret" in entry["exception"]
    assert entry["path"] == "/v0/raises/crash"
    assert (entry["code"], type(entry["t"])) == (500, int)


@pytest.mark.clause("S-18.6", "S-23.23", "H-26.8")
def test_a_backend_failure_is_critical_with_the_error_of_the_driver(
    outcomes_app: TestApp, journal: Journal
) -> None:
    OUTCOME["backend-failure"](outcomes_app)
    (entry,) = journal.named("a secret")
    assert entry["level"] == "critical"
    assert "BackendError" in entry["exception"]
    assert (entry["code"], type(entry["t"])) == (503, int)


@pytest.mark.clause("S-19.1")
@pytest.mark.parametrize(("name", "level"), [("crash", "ERROR"), ("backend-failure", "CRITICAL")])
def test_collectors_of_errors_get_the_exception(
    outcomes_app: TestApp, caplog: pytest.LogCaptureFixture, name: str, level: str
) -> None:
    OUTCOME[name](outcomes_app)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.levelname == level
    assert isinstance(record.exc_info[1], Exception)  # type: ignore[index]


@pytest.mark.clause("S-18.6")
@pytest.mark.parametrize("name", ["list", "invalid-query", "anonymous", "unknown-url"])
def test_a_client_error_is_no_entry_of_its_own(
    outcomes_app: TestApp, journal: Journal, name: str
) -> None:
    OUTCOME[name](outcomes_app)
    assert [entry["event"] for entry in journal] == ["request.summary"]


@pytest.mark.clause("S-5.5", "S-18.6")
def test_the_start_is_an_entry(journal: Journal) -> None:
    settings = {"logging_renderer": journal.renderer, "project_name": "kiosk"}
    web.make_app(settings=settings, version="3.1.4")
    (entry,) = journal.named("kiosk 3.1.4 starting.")
    assert entry["level"] == "info"


@pytest.mark.clause("S-15.7", "S-18.6")
def test_a_listener_that_is_set_up_is_an_entry(journal: Journal) -> None:
    settings = {
        "logging_renderer": journal.renderer,
        "event_listeners": "quiet",
        "event_listeners.quiet.use": __name__,
    }
    web.make_app(settings=settings)
    (entry,) = [entry for entry in journal if "listener" in entry["event"]]
    assert re.fullmatch(r"Setting up .*quiet.* listener", entry["event"])
    assert entry["level"] == "info"


def load_from_config(config: Any, prefix: str = "") -> Any:
    """Return a listener that does nothing."""
    return lambda event: None


@pytest.mark.clause("S-18.6")
def test_a_subscriber_that_fails_after_the_commit_is_an_error(journal: Journal) -> None:
    def fail(event: Any) -> None:
        raise RuntimeError("out of order")

    app = make_logged_app(
        journal,
        [Mushroom],
        configure=lambda config: config.add_subscriber(fail, AfterResourceChanged),
    )
    app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=AUTH, status=201)
    (entry,) = journal.named("Unable to notify")
    assert entry["level"] in ("error", "exception")
    assert "RuntimeError: out of order" in entry["exception"]


@pytest.mark.clause("S-18.6")
def test_a_check_that_raises_is_an_entry(journal: Journal) -> None:
    def fail(request: Any) -> None:
        raise RuntimeError("out of order")

    app = make_logged_app(journal)
    app.app.registry.heartbeats["oven"] = fail
    app.get("/v0/__heartbeat__", status=503)
    (entry,) = journal.named("Heartbeat Error")
    assert entry["level"] == "exception"
    assert "RuntimeError: out of order" in entry["exception"]


# Traps


@pytest.mark.clause("S-23.10")
def test_the_answer_after_the_end_of_service_is_logged_with_its_own_path(journal: Journal) -> None:
    app = make_logged_app(journal, [Mushroom])
    app.get("/v0/mushrooms?_limit=1", headers={**AUTH, "User-Agent": "curl"})
    app.app.registry.settings["eos"] = "2000-01-01"
    journal.clear()

    app.delete("/v0/gone?a=1", status=410)

    summary = journal.summary
    assert (summary["path"], summary["method"], summary["code"]) == ("/v0/gone", "DELETE", 410)
    assert summary["querystring"] == {"a": "1"}
    assert summary["agent"] is None
    assert summary["uid"] is None
    assert summary["errno"] == 202
    assert "collection_id" not in summary


@pytest.mark.clause("S-23.20", "D-14")
@pytest.mark.parametrize(
    "path", ["/v0/?a=%ff", "/v0/mushrooms?a=%ff", "/v0/nothing?%c3=1", "/v0/?a=%c3%28&b"]
)
def test_a_query_string_that_is_no_text_is_refused_and_logged(
    app: TestApp, journal: Journal, path: str
) -> None:
    response = app.get(path, headers=AUTH, status=400)
    assert response.json["errno"] == 107
    assert journal.summary["code"] == 400
    assert journal.summary["path"] == path.partition("?")[0]


@pytest.mark.clause("S-23.20")
def test_a_query_string_that_is_no_text_does_not_disturb_the_answer_after_the_end(
    journal: Journal,
) -> None:
    app = make_logged_app(journal, settings={"eos": "2000-01-01"})
    app.get("/v0/?a=%ff", status=410)
    assert journal.summary["code"] == 410


@pytest.mark.clause("S-23.21")
def test_two_applications_of_a_process_keep_their_own_renderer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="cliquet")
    journals = Journal(), Journal()
    apps = [make_logged_app(journal) for journal in journals]
    apps[0].get("/v0/")
    apps[1].get("/v0/__lbheartbeat__")
    apps[0].get("/v0/nothing", status=404)
    assert [entry["path"] for entry in journals[0]] == ["/v0/", "/v0/nothing"]
    assert [entry["path"] for entry in journals[1]] == ["/v0/__lbheartbeat__"]


@pytest.mark.clause("S-23.21")
def test_the_default_renderer_writes_lines_of_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cliquet")
    make_app().get("/v0/?a=1")
    line = re.sub(r"\x1b\[\d+m", "", caplog.messages[-1])
    assert re.match(r'"GET   /v0/\?a=1" 200 \(\d+ ms\) request\.summary ', line)


# Request ids


@pytest.mark.clause("E-6.4")
@outcomes("conflict")
def test_every_response_and_its_entries_have_the_id_of_the_request(
    outcomes_app: TestApp, journal: Journal, outcome: Outcome
) -> None:
    response = outcome(outcomes_app)
    (request_id,) = response.headers.getall("X-Request-Id")
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", request_id)
    entries = [entry for entry in journal if entry["event"] != "Heartbeat Error"]
    assert {entry["request_id"] for entry in entries} == {request_id}


@pytest.mark.clause("E-6.4")
@pytest.mark.parametrize("given", ["a", "0", "Abc-1.2_3", "x" * 128])
def test_the_id_that_the_client_gives_is_taken(app: TestApp, journal: Journal, given: str) -> None:
    response = app.get("/v0/", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given
    assert journal.summary["request_id"] == given


@pytest.mark.clause("E-6.4")
@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "é", "a/b", "<script>", "a,b"])
def test_an_id_of_another_form_is_replaced(app: TestApp, journal: Journal, given: str) -> None:
    response = app.get("/v0/", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] != given
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", response.headers["X-Request-Id"])
    assert journal.summary["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.clause("E-6.4")
def test_generated_ids_differ(app: TestApp) -> None:
    ids = {app.get("/v0/").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.clause("E-6.4")
def test_the_answer_after_the_end_of_service_has_the_id_of_the_request(journal: Journal) -> None:
    app = make_logged_app(journal, settings={"eos": "2000-01-01"})
    response = app.get("/v0/", headers={"X-Request-Id": "abc"}, status=410)
    assert response.headers["X-Request-Id"] == "abc"
    assert journal.summary["request_id"] == "abc"


@pytest.mark.clause("E-6.4")
def test_what_a_view_logs_has_the_id_of_the_request(journal: Journal) -> None:
    def view(request: Any) -> dict[Any, Any]:
        logs.logger.warning("inside")
        return {}

    response = view_app(journal, view).get("/v0/view")
    (entry,) = journal.named("inside")
    assert entry["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.clause("S-18.3")
def test_the_summary_of_a_conflict_has_its_number(journal: Journal) -> None:
    app = make_logged_app(journal, [Truffle])
    path = "/v0/truffles/d1d1d1d1-0000-4000-8000-00000000000"
    body = {"data": {"name": "black", "code": 1}}
    app.put_json(f"{path}1", body, headers=AUTH)
    journal.clear()
    app.put_json(f"{path}2", body, headers=AUTH, status=409)
    assert journal.summary["errno"] == 122
