"""Fixtures of the tests of authentication."""

import pytest


class Lines(list):
    """What an application logs, one dictionary per line, when given `renderer` as its setting."""

    def renderer(self, settings):
        def render(logger, name, entry):
            self.append(entry)
            return entry["event"]

        return render


@pytest.fixture
def log_lines(caplog):
    caplog.set_level("INFO")
    return Lines()
