"""Fixtures of the tests of authentication."""

from typing import Any

import pytest


class Lines(list):
    """What an application logs, one dictionary per line, when given `renderer` as its setting."""

    def renderer(self, settings: Any) -> Any:
        def render(logger: Any, name: Any, entry: Any) -> Any:
            self.append(entry)
            return entry["event"]

        return render


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level("INFO")
    return Lines()
