"""Log entries as one JSON object in each line, whoever writes them."""

from __future__ import annotations

import datetime
import enum
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.processes import free_port
from testapp import Mushroom

from cliquet.logs import JSONFormatter, JSONLogRenderer
from cliquet.testing.web import basic_auth, make_app


def rendered(method: str = "info", **entry: Any) -> dict[str, Any]:
    line = JSONLogRenderer({"project_name": "kiosk"})(None, method, entry)
    assert "\n" not in line
    loaded: dict[str, Any] = json.loads(line)
    return loaded


def without_time(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without its time, which is near the present."""
    time = datetime.datetime.fromisoformat(message.pop("time").replace("Z", "+00:00"))
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs(now - time) < datetime.timedelta(minutes=1)
    return message


@pytest.mark.clause("S-18.10")
def test_an_entry_is_an_object_with_its_time_level_project_and_fields() -> None:
    message = rendered("warning", event="app.event", nb=5, who="me", none=None)

    assert without_time(message) == {
        "level": "warning",
        "logger": "kiosk",
        "event": "app.event",
        "nb": 5,
        "who": "me",
    }


@pytest.mark.clause("S-18.10")
@pytest.mark.parametrize(
    ("method", "level"), [("exception", "error"), ("warn", "warning"), ("fatal", "critical")]
)
def test_levels_have_the_names_of_the_standard_library(method: str, level: str) -> None:
    assert rendered(method, event="e")["level"] == level


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.clause("S-18.10")
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": {"b": [1, {"c": None}]}}, {"a": {"b": [1, {"c": None}]}}),
        ([1, 2.5, True, "é"], [1, 2.5, True, "é"]),
        ((1,), [1]),
        (float("inf"), "inf"),
        (ValueError("several\nlines"), "several\nlines"),
        (b"\xff", "\\xff"),
        ("\ud800", "\\ud800"),
        (Colour.RED, "Colour.RED"),
        ({1: "one"}, {"1": "one"}),
        (2**70, 2**70),
    ],
)
def test_values_keep_their_types_as_far_as_json_has_them(value: object, shown: object) -> None:
    assert rendered(event="e", value=value)["value"] == shown


@pytest.mark.clause("S-18.10")
def test_a_value_that_contains_itself_ends() -> None:
    value: list[Any] = []
    value.append(value)

    assert isinstance(rendered(event="e", value=value)["value"], list)


@pytest.mark.clause("S-18.10")
def test_fields_with_the_names_of_members_are_kept_beside_them() -> None:
    message = rendered(event="e", time="noon", level=3, logger="mine")

    assert (message["level"], message["logger"]) == ("info", "kiosk")
    assert (message["time_"], message["level_"], message["logger_"]) == ("noon", 3, "mine")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    """Give a function that returns what was logged until then, as a production file sets it up."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    root, ours = logging.getLogger(), logging.getLogger("cliquet")
    monkeypatch.setattr(root, "handlers", [handler])
    monkeypatch.setattr(ours, "handlers", [])
    before = root.level, ours.level
    root.setLevel(logging.INFO)
    ours.setLevel(logging.NOTSET)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.setLevel(before[0])
    ours.setLevel(before[1])


@pytest.mark.clause("S-18.10")
def test_lines_of_other_libraries_have_the_same_form(lines: Callable[[], list[Any]]) -> None:
    try:
        int("of another")
    except ValueError:
        logging.getLogger("other").exception("failed: %s", "twice\nover")

    (message,) = lines()
    assert message["exception"].startswith("Traceback")
    assert without_time({**message, "exception": ""}) == {
        "level": "error",
        "logger": "other",
        "event": "failed: twice\nover",
        "exception": "",
    }


@pytest.mark.clause("S-18.10", "S-18.5")
@pytest.mark.setting("logging_renderer")
def test_the_summary_of_a_request_is_an_object(lines: Callable[[], list[Any]]) -> None:
    app = make_app([Mushroom], settings={"logging_renderer": "json", "project_name": "kiosk"})

    app.get("/v0/mushrooms?name=Morel", headers=basic_auth())

    (summary,) = [line for line in lines() if line["event"] == "request.summary"]
    assert summary["querystring"] == {"name": "Morel"}
    assert summary["code"] == 200
    assert "errno" not in summary
    assert "time_" not in summary
    without_time(summary)


def failing_app(**settings: Any) -> Any:
    class Wrong(Mushroom):
        def postprocess(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("a fault")

    return make_app([Wrong], settings={"logging_renderer": "json", **settings})


@pytest.mark.clause("S-18.11", "S-19.1")
@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 500),
        (
            {
                "storage_backend": "cliquet.storage.postgresql",
                "storage_url": "postgresql://{address}/none",
                "transaction_per_request": "false",
            },
            503,
        ),
        ({"storage_backend": "cliquet.storage.redis", "storage_url": "redis://{address}/0"}, 503),
        (
            {"storage_backend": "cliquet.storage.sqlite", "storage_url": "sqlite:///{folder}/x.db"},
            503,
        ),
    ],
)
def test_a_failure_has_one_traceback(
    lines: Callable[[], list[Any]], tmp_path: Path, settings: dict[str, str], status: int
) -> None:
    (tmp_path / "x.db").write_bytes(b"no database" * 100)
    variables = {"address": f"localhost:{free_port()}", "folder": tmp_path}
    app = failing_app(**{name: text.format(**variables) for name, text in settings.items()})

    app.get("/v0/wrongs", headers=basic_auth(), status=status)

    shown = [line for line in lines() if "Traceback" in line.get("exception", "")]
    assert [line["code"] for line in shown] == [status]


@pytest.mark.clause("S-18.11")
def test_a_failed_heartbeat_has_one_traceback(lines: Callable[[], list[Any]]) -> None:
    app = failing_app(
        cache_backend="cliquet.cache.redis", cache_url=f"redis://localhost:{free_port()}/0"
    )

    app.get("/v0/__heartbeat__", status=503)

    shown = [line for line in lines() if "Traceback" in line.get("exception", "")]
    assert [line["event"] for line in shown] == ["Heartbeat Failure"]


def test_values_of_any_kind_are_written_as_those_that_most_entries_have() -> None:
    class Word(str):
        def __str__(self) -> str:
            return "as it says"

    plain = {"path": "/", "querystring": {"a": "1"}, "code": 200, "ok": True, "errno": None}
    odd: list[tuple[Any, Any]] = [
        ("é", "é"),
        ("\ud800", "\\ud800"),
        (Word("x"), "as it says"),
        ({"é": "1"}, {"é": "1"}),
        ({"a": {"b": 1.5}}, {"a": {"b": 1.5}}),
        ({1: "a"}, {"1": "a"}),
        (float("nan"), "nan"),
        (2**70, 2**70),
    ]
    render = JSONLogRenderer({"project_name": "shop"})
    for value, shown in odd:
        line = json.loads(render(None, "info", {"event": "e", **plain, "odd": value}))
        del line["time"]
        assert line == {
            "level": "info",
            "logger": "shop",
            "event": "e",
            "path": "/",
            "querystring": {"a": "1"},
            "code": 200,
            "ok": True,
            "odd": shown,
        }
