"""What a batch logs (S-18.5, S-23.23)."""

import logging
from typing import Any

import pytest
from support.batches import creation
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet.testing.web import basic_auth


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> list[Any]:
    caplog.set_level(logging.INFO, logger="cliquet")
    return []


@pytest.fixture
def app(journal: list[Any]) -> Any:
    """A client of an application that keeps its log entries in `journal`."""

    def renderer(settings: Any = None) -> Any:
        def render(logger: Any, name: Any, entry: Any) -> Any:
            journal.append({**entry, "level": name})
            return entry["event"]

        return render

    app = make_app([Mushroom], settings={"logging_renderer": renderer})
    journal.clear()
    return app


def send(app: TestApp, requests: Any, **kwargs: Any) -> None:
    headers = {"User-Agent": "sync/1", **kwargs.pop("headers", {})}
    app.post_json("/v0/batch", {"requests": requests}, headers=headers, **kwargs)


@pytest.mark.clause("S-18.5", "P-26.26")
def test_each_request_has_a_line_and_the_batch_has_its_summary(
    app: TestApp, journal: list[Any]
) -> None:
    requests = [
        creation(name="cep"),
        {"path": "/mushrooms/?_limit=1"},
        {"path": "/mushrooms/%ff", "method": "HEAD"},
    ]

    send(app, requests, headers=basic_auth())

    events = [(entry["event"], entry["level"]) for entry in journal]
    assert events == [("subrequest.summary", "info")] * 3 + [("request.summary", "info")]
    told = [(entry["path"], entry["method"], entry["code"]) for entry in journal]
    assert told == [
        ("/v0/mushrooms", "POST", 201),
        ("/v0/mushrooms", "GET", 200),
        ("/v0/mushrooms/%FF", "HEAD", 400),
        ("/batch", "POST", 200),
    ]


@pytest.mark.clause("S-18.3", "S-18.5")
def test_the_summary_tells_the_size_of_the_batch_and_its_agent(
    app: TestApp, journal: list[Any]
) -> None:
    send(app, [{"path": "/", "headers": {"User-Agent": "other/2"}}] * 4)

    summary = journal[-1]
    assert (summary["batch_size"], summary["agent"]) == (4, "sync/1")
    assert summary["code"] == 200


@pytest.mark.clause("S-23.23")
def test_what_the_last_request_was_does_not_leak_in_the_summary(
    app: TestApp, journal: list[Any]
) -> None:
    failing = {"path": "/mushrooms?_limit=x", "headers": basic_auth()}

    send(app, [{"path": "/mushrooms", "headers": basic_auth()}, failing])

    summary = journal[-1]
    assert [summary[name] for name in ("errno", "uid", "authn_type")] == [None] * 3
    assert summary.keys().isdisjoint({"collection_id", "collection_timestamp", "nb_records"})
    assert journal[0]["authn_type"] == "basicauth"
    assert journal[1]["errno"] == 107


@pytest.mark.clause("S-18.5")
@pytest.mark.parametrize("path", ["/batch", "nowhere"])
def test_a_refused_batch_has_only_its_summary(app: TestApp, journal: list[Any], path: str) -> None:
    send(app, [{"path": "/"}, {"path": path}], status=400)

    [summary] = journal
    assert (summary["event"], summary["code"], summary["errno"]) == ("request.summary", 400, 107)
