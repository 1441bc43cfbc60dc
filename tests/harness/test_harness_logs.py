"""Tests see what is logged, whatever ran before them."""

import logging
import logging.config
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.logged import capture_logs, fresh_logs
from testapp import Mushroom

from cliquet.monitoring import logs
from cliquet.testing.web import make_app

# Without it there is a warning.
SETTINGS = {"userid_hmac_secret": "b4c96a"}

HOSTILE = """
[loggers]
keys = root, cliquet
[handlers]
keys = nowhere
[formatters]
keys =
[logger_root]
level = CRITICAL
handlers = nowhere
[logger_cliquet]
level = CRITICAL
handlers = nowhere
qualname = cliquet
propagate = 0
[handler_nowhere]
class = NullHandler
args = ()
"""


def configured_by_a_file(tmp_path: Any) -> None:
    path = tmp_path / "hostile.ini"
    path.write_text(HOSTILE)
    before = logging.getLogger().handlers[:]
    logging.config.fileConfig(str(path), disable_existing_loggers=False)
    logging.getLogger().handlers[:] = before


def disabled(tmp_path: Any) -> None:
    logging.getLogger("cliquet").disabled = True


def disabled_for_all(tmp_path: Any) -> None:
    logging.disable(logging.CRITICAL)


def in_the_context_of_a_request_made_by_hand(tmp_path: Any) -> None:
    logs.begin(renderer=lambda *args: "of another application")


@pytest.mark.usefixtures("own_settings")
@pytest.mark.parametrize(
    "spoil",
    [
        configured_by_a_file,
        disabled,
        disabled_for_all,
        in_the_context_of_a_request_made_by_hand,
    ],
)
def test_entries_are_captured_after(
    spoil: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    level = logging.getLogger().level
    spoil(tmp_path)

    with fresh_logs():
        caplog.set_level(logging.INFO, logger="cliquet")
        make_app([Mushroom], settings=SETTINGS, project_name="kiosk", version="1.0")
        assert caplog.messages == ["kiosk 1.0 starting."]

        with capture_logs() as entries:
            make_app([Mushroom], settings=SETTINGS, project_name="kiosk", version="1.0")
        assert [entry["event"] for entry in entries] == ["kiosk 1.0 starting."]

    logging.getLogger().setLevel(level)
