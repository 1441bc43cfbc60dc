"""The shared logger, its context and its renderers."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import logging.config
import logging.handlers
import os
import platform
import queue
import re
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from servers.starting import run_program

from cliquet import utils
from cliquet.logs import ClassicLogRenderer, MozillaHekaRenderer, logger
from cliquet.monitoring import logs
from cliquet.testing.bounded import Thread

NOW_MS = 1_448_323_200_123

# The logging sections of the published page, whose headings its text version lost.
HEKA_INI = """
[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = heka

[logger_root]
level = INFO
handlers = console
formatter = heka

[handler_console]
class = StreamHandler
args = (sys.stdout,)
level = NOTSET
formatter = heka

[formatter_heka]
format = %(message)s
"""

DEFAULT_FORMATTER_INI = HEKA_INI.replace("level = NOTSET\nformatter = heka", "level = NOTSET")


class Collector(logging.Handler):
    """Stands for a collector such as Sentry's, which reads records and not their text."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def fresh_context() -> Iterator[None]:
    token = logs.begin()
    yield
    logs.end(token)


@pytest.fixture(autouse=True)
def restore_standard_logging() -> Iterator[None]:
    """fileConfig replaces the handlers of the process: put pytest's back."""
    loggers = [logging.getLogger(), logging.getLogger("cliquet")]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    disabled = {
        name: one.disabled
        for name, one in logging.root.manager.loggerDict.items()
        if isinstance(one, logging.Logger)
    }
    yield
    for one, handlers, level, propagate in before:
        one.handlers[:] = handlers
        one.setLevel(level)
        one.propagate = propagate
    for name, was_disabled in disabled.items():
        logging.getLogger(name).disabled = was_disabled


@pytest.fixture
def standard() -> logging.Logger:
    target = logging.getLogger("cliquet")
    target.setLevel(logging.DEBUG)
    return target


@pytest.fixture
def collector(standard: logging.Logger) -> Collector:
    handler = Collector()
    standard.addHandler(handler)
    return handler


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "msec_time", lambda: NOW_MS)


def plain(renderer_logger: Any, name: str, event_dict: Any) -> str:
    """Render the name of the method and the fields, sorted, as the simplest renderer would."""
    return f"{name} {sorted(event_dict.items())}"


def classic(event_dict: dict[str, Any]) -> str:
    return re.sub("\x1b\\[[0-9;]*m", "", ClassicLogRenderer({})(None, "info", event_dict))


def heka(event_dict: dict[str, Any], name: str = "info") -> dict[str, Any]:
    line = MozillaHekaRenderer({"project_name": "kitchen"})(None, name, event_dict)
    assert "\n" not in line
    message: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)  # NaN is not JSON.
    return message


def fail(message: str) -> None:
    raise ValueError(message)


def configure(tmp_path: Path, text: str) -> None:
    path = tmp_path / "logging.ini"
    path.write_text(text)
    logging.config.fileConfig(str(path), disable_existing_loggers=False)


# The logger and its context


@pytest.mark.clause("P-27.1")
def test_bind_adds_fields_to_later_entries_without_using_its_result(collector: Collector) -> None:
    logs.begin(renderer=plain)

    logger.bind(x=1)
    logger.info("first")
    logs.logger_for(plain).info("second", y=2)

    assert [record.getMessage() for record in collector.records] == [
        "info [('event', 'first'), ('x', 1)]",
        "info [('event', 'second'), ('x', 1), ('y', 2)]",
    ]


@pytest.mark.clause("P-27.1")
def test_bind_new_and_unbind_return_a_logger() -> None:
    assert logger.bind(a=1) is logger
    assert logger.new(a=1) is logger
    assert logger.unbind("a") is logger
    assert logger.try_unbind("a") is logger


@pytest.mark.clause("P-27.1")
def test_fields_of_an_entry_do_not_stay_in_the_context(collector: Collector) -> None:
    logs.begin(renderer=plain)

    logger.info("first", x=1)
    logger.info("second")

    assert collector.records[1].getMessage() == "info [('event', 'second')]"


@pytest.mark.clause("P-27.1", "S-18.4")
def test_new_forgets_the_fields_and_keeps_the_renderer(collector: Collector) -> None:
    logs.begin(lambda: {"path": "/"}, renderer=plain)
    logger.bind(x=1)

    logger.new(y=2)
    logger.info("event")

    assert collector.records[0].getMessage() == "info [('event', 'event'), ('y', 2)]"


@pytest.mark.clause("P-27.1")
def test_unbind_removes_bound_and_request_fields() -> None:
    logs.begin(lambda: {"path": "/", "lang": "fr"})
    logger.bind(x=1, y=2)

    logger.unbind("x", "lang")

    assert logs.fields() == {"path": "/", "y": 2}


@pytest.mark.clause("P-27.1")
def test_unbind_of_an_absent_field_removes_nothing() -> None:
    logger.bind(x=1)

    with pytest.raises(KeyError):
        logger.unbind("x", "absent")

    assert logs.fields() == {"x": 1}


@pytest.mark.clause("P-27.1")
def test_try_unbind_ignores_absent_fields() -> None:
    logger.bind(x=1)

    logger.try_unbind("x", "absent")

    assert logs.fields() == {}


@pytest.mark.clause("P-27.1", "S-18.8")
@pytest.mark.parametrize(
    ("method", "name", "level"),
    [
        ("debug", "debug", logging.DEBUG),
        ("info", "info", logging.INFO),
        ("warning", "warning", logging.WARNING),
        ("warn", "warning", logging.WARNING),
        ("error", "error", logging.ERROR),
        ("exception", "exception", logging.ERROR),
        ("critical", "critical", logging.CRITICAL),
        ("fatal", "critical", logging.CRITICAL),
    ],
)
def test_each_method_logs_at_its_level(
    collector: Collector, method: str, name: str, level: int
) -> None:
    logs.begin(renderer=plain)

    getattr(logger, method)("event")

    (record,) = collector.records
    assert (record.name, record.levelno) == ("cliquet", level)
    assert record.getMessage() == f"{name} [('event', 'event')]"


@pytest.mark.clause("P-27.1")
def test_structlog_reads_the_context_of_the_logger() -> None:
    logger.bind(x=1)

    assert structlog.get_context(logger) == {"x": 1}


@pytest.mark.clause("S-18.3")
def test_bound_fields_win_over_those_of_the_request() -> None:
    logs.begin(lambda: {"uid": None, "path": "/"})

    logs.bind(uid="bob")

    assert logs.fields() == {"uid": "bob", "path": "/"}


@pytest.mark.clause("S-18.4")
def test_begin_starts_afresh_and_end_restores() -> None:
    logs.bind(outer=1)

    token = logs.begin(lambda: {"path": "/"})
    logs.bind(inner=1)
    inside = logs.fields()
    logs.end(token)

    assert inside == {"path": "/", "inner": 1}
    assert logs.fields() == {"outer": 1}


@pytest.mark.clause("S-18.4")
def test_threads_do_not_share_their_context() -> None:
    logs.bind(x="main")
    seen: dict[str, Any] = {}

    def work(name: str) -> None:
        logger.bind(x=name)
        barrier.wait()  # Both have bound when either reads.
        seen[name] = logs.fields()

    barrier = threading.Barrier(2, timeout=60)
    threads = [Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == {"a": {"x": "a"}, "b": {"x": "b"}}
    assert logs.fields() == {"x": "main"}


@pytest.mark.clause("S-18.4")
def test_a_copied_context_does_not_write_into_the_original() -> None:
    logs.bind(x=1)

    contextvars.copy_context().run(logs.bind, x=2, y=3)

    assert logs.fields() == {"x": 1}


@pytest.mark.clause("S-23.23")
def test_scope_drops_what_a_sub_request_bound_even_if_it_fails() -> None:
    logs.begin(lambda: {"path": "/batch"})
    logs.bind(uid="alice")

    def sub_request() -> None:
        with logs.scope():
            logs.bind(uid="bob", errno=104, authn_type="basicauth")
            logger.new(path="/sub")
            fail("boom")

    with pytest.raises(ValueError, match="boom"):
        sub_request()

    assert logs.fields() == {"path": "/batch", "uid": "alice"}


# Output through the standard library


@pytest.mark.clause("S-18.2")
@pytest.mark.parametrize("configured", ["cliquet", ""])
def test_an_entry_below_the_level_is_dropped_before_anything_is_built(
    standard: logging.Logger, collector: Collector, configured: str
) -> None:
    standard.setLevel(logging.NOTSET)
    logging.getLogger(configured).setLevel(logging.WARNING)
    calls: list[str] = []

    def render(*args: Any) -> str:
        calls.append("renderer")
        return ""

    def request_fields() -> dict[str, Any]:
        calls.append("request")
        return {}

    logs.begin(request_fields, render)
    logger.info("below")
    below = calls[:]
    assert [logger.writes(logging.INFO), logger.writes(logging.WARNING)] == [False, True]
    logger.warning("above")

    assert below == []
    assert calls == ["request", "renderer"]
    assert len(collector.records) == 1


@pytest.mark.clause("S-18.2", "P-27.3")
def test_exception_information_becomes_a_text_field(collector: Collector) -> None:
    entries: list[dict[str, Any]] = []

    def render(_logger: Any, _name: str, event_dict: Any) -> str:
        entries.append(dict(event_dict))
        return ""

    logs.begin(renderer=render)
    try:
        fail("boom")
    except ValueError as error:
        logger.error("flag", exc_info=True)
        logger.error("instance", exc_info=error)
        logger.error("triple", exc_info=sys.exc_info())
        logger.exception("method")

    for entry in entries:
        assert "exc_info" not in entry
        assert entry["exception"].startswith("Traceback (most recent call last):")
        assert entry["exception"].endswith("ValueError: boom")
    assert [entry["event"] for entry in entries] == ["flag", "instance", "triple", "method"]


@pytest.mark.clause("S-18.2")
@pytest.mark.parametrize("exc_info", [True, False, None, (), (None, None, None), "yes"])
def test_without_exception_there_is_no_such_field(collector: Collector, exc_info: object) -> None:
    logs.begin(renderer=plain)

    logger.error("event", exc_info=exc_info)

    (record,) = collector.records
    assert record.getMessage() == "error [('event', 'event')]"
    assert record.exc_info is None


@pytest.mark.clause("S-19.1")
@pytest.mark.parametrize("method", ["error", "critical", "exception"])
def test_collectors_get_the_exception_and_its_traceback(collector: Collector, method: str) -> None:
    logs.begin(renderer=plain)
    try:
        fail("boom")
    except ValueError as raised:
        error = raised
        getattr(logger, method)("event", exc_info=True)

    (record,) = collector.records
    assert record.exc_info == (ValueError, error, error.__traceback__)


@pytest.mark.clause("S-19.1", "S-18.8", "S-18.9")
@pytest.mark.parametrize("ini", [HEKA_INI, DEFAULT_FORMATTER_INI])
def test_the_published_logging_sections_give_one_json_line_per_entry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ini: str
) -> None:
    configure(tmp_path, ini)
    collector = Collector()
    logging.getLogger().addHandler(collector)
    logs.begin(lambda: {"path": "/v1/"}, MozillaHekaRenderer({"project_name": "kitchen"}))

    logger.debug("dropped")
    logger.info("request.summary", code=200)
    try:
        fail("several\nlines")
    except ValueError:
        logger.critical("failure", exc_info=True)

    summary, failure = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert summary["Type"] == "request.summary"
    assert summary["Fields"] == {"path": "/v1/", "code": 200}
    assert failure["Severity"] == 0
    assert failure["Fields"]["exception"].endswith("ValueError: several\nlines")
    assert collector.records[1].exc_info is not None


@pytest.mark.clause("S-18.9")
@pytest.mark.usefixtures("processes")
def test_file_config_may_come_after_the_import_and_disable_existing_loggers(tmp_path: Path) -> None:
    """The flag is on by default; a logger that existed already would be silenced for good."""
    (tmp_path / "logging.ini").write_text(HEKA_INI)
    script = (
        "import logging.config\n"
        "from cliquet import logs\n"
        "assert 'cliquet' not in logging.root.manager.loggerDict\n"
        f"logging.config.fileConfig({str(tmp_path / 'logging.ini')!r})\n"
        "logs.logger_for(lambda *args: 'starting').info('x')\n"
    )

    done = run_program([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("starting\n", "")


@pytest.mark.clause("S-19.1", "E-6.1")
def test_collectors_get_the_text_of_the_event_without_the_line(collector: Collector) -> None:
    logs.begin(renderer=plain)

    logger.info("event of %s", "today", x=1)

    assert vars(collector.records[0])["cliquet_event"] == "event of today"


@pytest.mark.clause("S-19.1")
def test_attributes_of_the_record_factory_survive(collector: Collector) -> None:
    make = logging.getLogRecordFactory()

    def with_trace(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.trace_id = "abc"
        return record

    logs.begin(renderer=plain)
    logging.setLogRecordFactory(with_trace)
    try:
        logger.error("event", exc_info=ValueError())
    finally:
        logging.setLogRecordFactory(make)

    formatted = logging.Formatter("%(trace_id)s %(funcName)s").format(collector.records[0])
    assert formatted == "abc test_attributes_of_the_record_factory_survive"


@pytest.mark.clause("S-19.1")
def test_records_with_an_exception_pass_through_a_queue(standard: logging.Logger) -> None:
    entries: queue.Queue[logging.LogRecord] = queue.Queue()
    standard.addHandler(logging.handlers.QueueHandler(entries))
    logs.begin(renderer=lambda *args: "one line")

    logger.error("event", exc_info=ValueError("boom"))

    assert logging.Formatter().format(entries.get_nowait()) == "one line"


@pytest.mark.clause("S-18.2")
def test_records_name_the_line_that_logged(collector: Collector) -> None:
    logs.begin(renderer=plain)

    logger.info("event")

    (record,) = collector.records
    assert Path(record.pathname) == Path(__file__)
    assert record.funcName == "test_records_name_the_line_that_logged"


@pytest.mark.clause("P-27.3")
def test_positional_arguments_are_interpolated(collector: Collector) -> None:
    logs.begin(renderer=plain)

    logger.info("%s of %d", "one", 2)

    assert collector.records[0].getMessage() == "info [('event', 'one of 2')]"


@pytest.mark.clause("S-18.1")
def test_a_renderer_may_drop_an_entry(collector: Collector) -> None:
    def drop(*args: Any) -> str:
        raise structlog.DropEvent

    logs.begin(renderer=drop)

    logger.error("event")

    assert collector.records == []


@pytest.mark.clause("S-18.1", "S-18.2")
def test_the_text_of_the_renderer_is_the_message_whatever_it_holds(collector: Collector) -> None:
    logs.begin(renderer=lambda *args: "100% {x} %s %(y)s")

    logger.info("event")

    assert collector.records[0].getMessage() == "100% {x} %s %(y)s"


# Two applications, and none


@pytest.mark.clause("S-23.21", "P-34.29")
def test_each_application_keeps_its_renderer(collector: Collector) -> None:
    for name in ("a", "b", "a"):
        token = logs.begin(renderer=lambda *args, name=name: f"app {name}")
        logger.info("event")
        logs.end(token)

    messages = [record.getMessage() for record in collector.records]
    assert messages == ["app a", "app b", "app a"]


@pytest.mark.clause("S-23.21", "S-5.5")
def test_start_up_entries_use_the_renderer_of_their_application(collector: Collector) -> None:
    first = logs.logger_for(lambda *args: "app a")
    second = logs.logger_for(lambda *args: "app b")

    first.info("kitchen 1.0 starting.")
    second.info("garden 1.0 starting.")
    first.info("again")

    messages = [record.getMessage() for record in collector.records]
    assert messages == ["app a", "app b", "app a"]


@pytest.mark.clause("S-23.21")
def test_the_renderer_of_the_request_wins_over_that_of_the_logger(collector: Collector) -> None:
    logs.begin(renderer=lambda *args: "request")

    logs.logger_for(lambda *args: "start-up").info("event")

    assert collector.records[0].getMessage() == "request"


@pytest.mark.clause("P-27.6")
def test_before_set_up_the_logger_works_with_structlog_defaults(
    collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.bind(x=1)

    logger.debug("event %s", "one", y=2)

    assert logger.writes(logging.DEBUG)
    out = capsys.readouterr().out
    assert "event one" in out
    assert "x=1" in out
    assert "y=2" in out
    assert collector.records == []


@pytest.mark.clause("P-27.6", "P-34.29")
@pytest.mark.usefixtures("processes")
def test_importing_configures_neither_structlog_nor_logging() -> None:
    script = (
        "import logging\n"
        "before = (logging.getLoggerClass(), logging.getLogRecordFactory())\n"
        "import cliquet.logs, structlog\n"
        "assert not structlog.is_configured()\n"
        "assert before == (logging.getLoggerClass(), logging.getLogRecordFactory())\n"
        "assert logging.getLogger().handlers == []\n"
    )

    done = run_program(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""


# Classic renderer


@pytest.mark.clause("S-18.7", "P-27.4")
def test_classic_renders_the_reference_case() -> None:
    entry = {
        "path": "/v1/",
        "method": "GET",
        "querystring": {"_sort": "field"},
        "code": 200,
        "t": 32,
        "event": "app.event",
        "nb_records": 5,
    }

    assert classic(entry) == '"GET   /v1/?_sort=field" 200 (32 ms) app.event nb_records=5'


@pytest.mark.clause("S-18.7")
def test_classic_colours_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"path": "/", "method": "PATCH", "code": 200, "t": 1, "event": "e", "b": 2, "a": 1}
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)

    line = ClassicLogRenderer({})(None, "info", entry)

    assert line == (
        '\x1b[1m"PATCH /"\x1b[0m\x1b[33m 200 (1 ms)\x1b[0m e '
        "\x1b[36ma\x1b[0m=\x1b[35m1\x1b[0m \x1b[36mb\x1b[0m=\x1b[35m2\x1b[0m"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def coloured(standard: logging.Logger, *streams: io.StringIO) -> bool:
    """Return whether lines for these streams have colours."""
    renderer = ClassicLogRenderer({})
    standard.propagate = False
    for stream in streams:
        standard.addHandler(logging.StreamHandler(stream))
    return "\x1b" in renderer(standard, "info", {"event": "e", "a": 1})


@pytest.mark.clause("S-18.7")
@pytest.mark.parametrize(
    ("streams", "has_colours"),
    [
        ([Terminal], True),
        ([io.StringIO], False),
        # Both get the same text.
        ([Terminal, io.StringIO], False),
        ([Terminal, Terminal], True),
    ],
)
def test_only_terminals_get_colours(
    standard: logging.Logger, monkeypatch: pytest.MonkeyPatch, streams: Any, has_colours: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    assert coloured(standard, *(stream() for stream in streams)) is has_colours


@pytest.mark.clause("S-18.7")
def test_the_environment_forbids_or_demands_colours(
    standard: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured(standard, io.StringIO())

    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(standard, Terminal())


@pytest.mark.clause("S-18.7")
def test_colours_follow_the_configuration_of_logging(
    standard: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    standard.propagate = False
    renderer = ClassicLogRenderer({})
    entry = {"event": "e", "a": 1}
    standard.addHandler(terminal := logging.StreamHandler(Terminal()))
    assert "\x1b" in renderer(standard, "info", dict(entry))

    standard.removeHandler(terminal)
    standard.addHandler(logging.StreamHandler(io.StringIO()))

    assert renderer(standard, "info", dict(entry)) == "e a=1"


@pytest.mark.clause("S-18.7")
@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"path": "/"}, '"?     /" ? (? ms) ?'),
        ({"path": None, "method": "GET"}, '"GET   ?" ? (? ms) ?'),
        ({}, "?"),
        ({"event": "e", "code": 3, "method": "GET"}, "e code=3 method=GET"),
        ({"event": "e", "x": None, "y": 0}, "e y=0"),
    ],
)
def test_classic_shows_what_is_missing_as_a_question_mark(
    entry: dict[str, Any], expected: str
) -> None:
    assert classic(entry) == expected


@pytest.mark.clause("S-18.7")
@pytest.mark.parametrize(
    ("querystring", "expected"),
    [
        ({}, "/"),
        (None, "/"),
        ({"a": "1", "b": "é"}, "/?a=1&b=é"),
        ("raw", "/?raw"),
    ],
)
def test_classic_renders_the_query_string(
    querystring: dict[str, Any] | str | None, expected: str
) -> None:
    entry = {"path": "/", "method": "GET", "querystring": querystring}

    assert classic(entry) == f'"GET   {expected}" ? (? ms) ?'


@pytest.mark.clause("S-18.7")
def test_classic_keeps_non_ascii_text_as_is() -> None:
    assert classic({"event": "événement", "clé": "日本", "raw": "é".encode()}) == (
        "événement clé=日本 raw=é"
    )


@pytest.mark.clause("S-18.7")
def test_a_client_cannot_forge_a_line_or_a_colour() -> None:
    forged = "a\nb\rc\x1b[2J\u2028d\x85e"
    entry = {"path": forged, "querystring": {forged: forged}, "agent": forged, "event": forged}

    text = classic(entry)

    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert text.count(r"a\nb\rc\x1b[2J\u2028d\x85e") == 5


@pytest.mark.clause("S-18.7", "S-18.2")
def test_classic_keeps_the_lines_of_a_traceback_without_its_escape_codes() -> None:
    assert classic({"event": "e", "exception": "Traceback\n\tx\x1b[2J"}) == (
        "e exception=Traceback\n\tx\\x1b[2J"
    )


# Heka renderer


@pytest.mark.clause("S-18.8", "P-27.4")
@pytest.mark.usefixtures("clock")
def test_heka_fills_the_standard_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "stove")

    assert heka({"event": "hello", "x": 1}) == {
        "Timestamp": NOW_MS * 1_000_000,
        "Logger": "kitchen",
        "Type": "hello",
        "Hostname": "stove",
        "Severity": 6,
        "Pid": os.getpid(),
        "EnvVersion": "2.0",
        "Fields": {"x": 1},
    }


@pytest.mark.clause("P-27.4", "S-18.8")
def test_heka_reads_host_and_process_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "stove")
    renderer = MozillaHekaRenderer({"project_name": "kitchen"})
    monkeypatch.setenv("HOSTNAME", "fridge")

    message = json.loads(renderer(None, "info", {}))

    assert (renderer.appname, renderer.hostname) == ("kitchen", "stove")
    assert renderer.pid == os.getpid()
    assert MozillaHekaRenderer.ENV_VERSION == "2.0"
    assert message["Hostname"] == "stove"


@pytest.mark.clause("S-18.8")
@pytest.mark.parametrize("value", [None, ""])
def test_heka_falls_back_on_the_name_of_the_node(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("HOSTNAME", raising=False)
    if value is not None:
        monkeypatch.setenv("HOSTNAME", value)

    assert heka({})["Hostname"] == platform.node()


@pytest.mark.clause("P-27.4")
def test_heka_needs_the_project_name() -> None:
    with pytest.raises(KeyError, match="project_name"):
        MozillaHekaRenderer({})


@pytest.mark.clause("S-18.8")
@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("critical", 0),
        ("fatal", 0),
        ("exception", 2),
        ("error", 2),
        ("warning", 4),
        ("info", 6),
        ("debug", 7),
    ],
)
def test_heka_maps_methods_to_severities(name: str, severity: int) -> None:
    assert heka({}, name)["Severity"] == severity


@pytest.mark.clause("S-18.8")
@pytest.mark.parametrize("entry", [{}, {"event": None}])
def test_heka_type_is_empty_without_event(entry: dict[str, Any]) -> None:
    message = heka(entry)

    assert message["Type"] == ""
    assert message["Fields"] == {}


@pytest.mark.clause("S-18.8")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Timestamp", 12),
        ("Logger", "other"),
        ("Type", "other"),
        ("Hostname", "other"),
        ("Severity", 3),
        ("Pid", 12),
        ("EnvVersion", "3.0"),
    ],
)
def test_heka_keeps_a_member_that_the_entry_gives(member: str, value: int | str) -> None:
    message = heka({member: value, "x": 1})

    assert message[member] == value
    assert message["Fields"] == {"x": 1}


@pytest.mark.clause("S-18.8")
def test_heka_keeps_the_event_when_a_type_is_given() -> None:
    message = heka({"Type": "kind", "event": "hello"})

    assert (message["Type"], message["Fields"]) == ("kind", {"event": "hello"})


@pytest.mark.clause("S-18.8")
def test_heka_extends_given_fields_without_changing_them() -> None:
    given = {"a": 1, "b": {"c": 2}}

    message = heka({"Fields": given, "x": 3, "a": 4})

    assert message["Fields"] == {"a": 1, "b": '{"c":2}', "x": 3}
    assert given == {"a": 1, "b": {"c": 2}}


@pytest.mark.clause("S-18.8", "S-23.19")
def test_heka_accepts_fields_that_are_no_object() -> None:
    assert heka({"Fields": "odd", "x": 1})["Fields"] == {"Fields": "odd", "x": 1}


@pytest.mark.clause("S-18.8")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1}, '{"a":1}'),
        ({}, "{}"),
        ([1, "a"], '[1,"a"]'),
        ((1, 2), "[1,2]"),
        ([["a"]], '[["a"]]'),
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        ([], []),
        ("é", "é"),
        (1, 1),
        (1.5, 1.5),
        (True, True),
        (None, None),
    ],
)
def test_heka_flattens_objects_and_mixed_lists_to_text(value: object, expected: object) -> None:
    assert heka({"x": value})["Fields"]["x"] == expected


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@pytest.mark.clause("S-23.19")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ValueError("boom"), "boom"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (Decimal("1.10"), "1.10"),
        (b"caf\xc3\xa9", "café"),
        ({1}, "{1}"),
        (Unprintable(), "<Unprintable without text>"),
        ("a\nb", "a\nb"),
        ("\ud800", "\\ud800"),
        (["\ud800"], ["\\ud800"]),
    ],
)
def test_heka_renders_any_value_as_text(value: object, expected: list[Any] | str) -> None:
    assert heka({"x": value})["Fields"]["x"] == expected


@pytest.mark.clause("S-23.19")
@pytest.mark.parametrize(
    "value",
    [
        {"error": ValueError("boom")},
        [float("nan"), float("-inf")],
        [2**70],
        2**70,
        {1: {2: 3}},
        {"a": object()},
        [{1, 2}],
    ],
)
def test_heka_gives_a_line_for_odd_values_inside_others(value: object) -> None:
    message = heka({"x": value, "Pid": value})

    assert "x" in message["Fields"]


@pytest.mark.clause("S-18.8")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c"])
def test_heka_writes_one_line_whatever_ends_lines(end: str) -> None:
    text = f"é{end}è"

    line = MozillaHekaRenderer({"project_name": "kitchen"})(
        None, "info", {"event": text, "x": text}
    )

    assert len(line.splitlines()) == 1
    message = json.loads(line)
    assert message["Type"] == message["Fields"]["x"] == text


@pytest.mark.clause("S-23.19")
@pytest.mark.parametrize("event", [ValueError("boom"), b"boom"])
def test_heka_takes_any_event(event: object) -> None:
    assert heka({"event": event})["Type"] == "boom"


@pytest.mark.clause("S-23.19")
def test_logging_an_exception_as_a_value_does_not_raise(standard: logging.Logger) -> None:
    stream = io.StringIO()
    standard.addHandler(logging.StreamHandler(stream))
    logs.begin(renderer=MozillaHekaRenderer({"project_name": "kitchen"}))

    logger.error(ValueError("boom"), error=KeyError("k"))  # type: ignore[arg-type]

    message = json.loads(stream.getvalue())
    assert (message["Type"], message["Fields"]) == ("boom", {"error": "'k'"})


# Applications' own chains, and helpers


@pytest.mark.clause("P-27.4", "S-18.1")
@pytest.mark.parametrize("renderer_class", [ClassicLogRenderer, MozillaHekaRenderer])
def test_renderers_work_as_processors_of_an_application(renderer_class: type[Any]) -> None:
    stream = io.StringIO()
    own = structlog.wrap_logger(
        structlog.PrintLogger(stream), processors=[renderer_class({"project_name": "kitchen"})]
    )

    own.info("hello", x=1)

    assert "hello" in stream.getvalue()


@pytest.mark.clause("P-27.5", "S-23.20")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("é", "é"),
        (b"\xc3\xa9", "é"),
        (b"\xff", "\\xff"),
        ("\udcff", "\\udcff"),
        (None, "None"),
        (12, "12"),
        ([1], "[1]"),
        (Unprintable(), "<Unprintable without text>"),
    ],
)
def test_decode_value_gives_text_that_can_be_written(value: object, expected: str) -> None:
    assert logs.decode_value(value) == expected


@pytest.mark.clause("E-6.4")
@pytest.mark.parametrize("value", ["a", "A-b_c.9", "x" * 128])
def test_an_acceptable_request_id_is_kept(value: str) -> None:
    assert logs.request_id(value) == value


@pytest.mark.clause("E-6.4")
@pytest.mark.parametrize("value", [None, "", "x" * 129, "a b", "a\n", "é", "٣", "a/b"])
def test_another_request_id_is_replaced_by_a_generated_one(value: str | None) -> None:
    first, second = logs.request_id(value), logs.request_id(value)

    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", first)
