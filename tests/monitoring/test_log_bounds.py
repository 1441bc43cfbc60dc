"""No field of a log entry is longer than the service wants to keep (X-34)."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.batches import send
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.monitoring import field_bounds, logs
from cliquet.testing.web import basic_auth

CUT = "…"
# What the renderer adds around a value.
SLACK = 20


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> Any:
    """The fields of the entries that are logged from now on, by event."""

    def read() -> list[Any]:
        lines = [json.loads(record.message) for record in caplog.records]
        return [(line["Type"], line["Fields"]) for line in lines if "starting" not in line["Type"]]

    caplog.set_level(logging.INFO, logger="cliquet")
    caplog.clear()
    return read


def make(configure: Any = None, **settings: Any) -> TestApp:
    renderer = "cliquet.logs.MozillaHekaRenderer"
    return make_app(
        [Mushroom], settings={"logging_renderer": renderer, **settings}, configure=configure
    )


def get(app: TestApp, caplog: Any, path: Any, **headers: Any) -> None:
    caplog.clear()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    app.get(path, headers={**basic_auth(), **headers}, status="*")


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_log_field_bytes")
@pytest.mark.parametrize("value", [None, "50"])
def test_what_a_client_sends_is_cut(
    journal: Callable[..., Any], caplog: pytest.LogCaptureFixture, value: str | None
) -> None:
    app = make() if value is None else make(max_log_field_bytes=value)
    limit = 1024 if value is None else 50
    long = "a" * 5_000

    get(app, caplog, f"/v0/{long}?a={long}&b=1", User_Agent=long, Accept_Language=long)

    ((event, fields),) = journal()
    assert event == "request.summary"
    assert fields["agent"] == fields["lang"] == long[:limit] + CUT
    assert fields["path"] == f"/v0/{long}"[:limit] + CUT
    assert max(len(str(value).encode()) for value in fields.values()) <= limit + SLACK
    assert CUT in fields["querystring"]


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("value", ["", "0"])
def test_nothing_is_cut_without_the_setting(
    journal: Callable[..., Any], caplog: pytest.LogCaptureFixture, value: str
) -> None:
    app = make(max_log_field_bytes=value)

    get(app, caplog, f"/v0/?a={'a' * 5_000}", User_Agent="a" * 5_000)

    ((_, fields),) = journal()
    assert fields["agent"] == "a" * 5_000
    assert json.loads(fields["querystring"]) == {"a": "a" * 5_000}


@pytest.mark.clause("X-34", "S-18.3")
def test_parameters_up_to_the_bound_are_told_with_the_last_of_their_values(
    journal: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = make()

    get(app, caplog, "/v0/?a=1&b=&a=2&c=%C3%A9")
    get_fields = journal()[0][1]
    get(app, caplog, "/v0/?" + "&".join(f"p{n}=1" for n in range(1000)))
    many = json.loads(journal()[0][1]["querystring"])

    assert json.loads(get_fields["querystring"]) == {"a": "2", "b": "", "c": "é"}
    # Most are not even read.
    assert list(many)[:2] == ["p0", "p1"]
    assert list(many)[-1] == CUT
    assert len(many) < 200


@pytest.mark.clause("X-34")
def test_62_000_parameters_are_counted_and_not_told(
    journal: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = make()

    get(app, caplog, "/v0/?" + "&".join(["a"] * 62_000))

    ((_, fields),) = journal()
    assert (fields["code"], fields["errno"]) == (400, 107)
    assert len(fields["querystring"]) <= 1024 + SLACK


@pytest.mark.clause("X-34")
def test_paths_of_sub_requests_are_cut(
    journal: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = make()
    caplog.clear()

    send(app, [{"path": "/" + "é" * 1_500}])

    fields = dict(journal())["subrequest.summary"]
    assert len(fields["path"].encode()) <= 1024 + SLACK


@pytest.mark.clause("X-34")
def test_a_crash_keeps_more_of_its_traceback_than_of_its_message(
    journal: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    def crash(request: Any) -> None:
        raise ValueError("x" * 200_000)

    def configure(config: Any) -> None:
        service = Service(name="crash", path="/crash")
        service.add_view("GET", crash, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    app = make(configure)
    get(app, caplog, "/v0/crash")

    record = caplog.records[0]
    line = json.loads(record.message)
    assert line["Type"] == record.cliquet_event == "x" * 1024 + CUT  # type: ignore[attr-defined]
    assert line["Fields"]["exception"].startswith("Traceback")
    assert 10_000 < len(line["Fields"]["exception"]) <= 64 * 1024 + 1


@pytest.mark.parametrize(
    ("value", "bounded"),
    [
        ("abcdefghij", "abcdefghij"),
        ("abcdefghijk", "abcdefghij…"),
        ("ééééé", "ééééé"),
        ("éééééé", "ééééé…"),
        ("a\N{MUSHROOM}\N{MUSHROOM}\N{MUSHROOM}", "a\N{MUSHROOM}\N{MUSHROOM}…"),
        (b"abcdefghijk", "abcdefghij…"),
        (12345678901234567890, "1234567890…"),
        (12345, 12345),
        (None, None),
        ({"a": "1234", "b": "5678", "c": 9}, {"a": "1234", "b": "5678", "…": "…"}),
        (["abc", "def", "ghi", "jkl"], ["abc", "def", "ghi", "…"]),
        (("abc", 1), ["abc", 1]),
        ({"a": ["b" * 20]}, {"…": "…"}),
    ],
)
def test_values_of_any_type_are_bounded(value: object, bounded: object) -> None:
    entry = {"field": value}

    field_bounds.bound(entry, 10)

    assert entry == {"field": bounded}


def test_a_new_context_keeps_the_bound(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cliquet")
    token = logs.begin(renderer=lambda *args: str(args[-1]["field"]), max_field_bytes=5)
    try:
        logs.logger.new(field="abcdefg").info("event")
    finally:
        logs.end(token)

    assert caplog.messages == ["abcde…"]
