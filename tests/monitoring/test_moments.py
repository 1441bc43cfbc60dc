"""The times of log lines, which are as those of :mod:`datetime`."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from cliquet.monitoring import moments


@pytest.mark.clause("S-18.3")
@pytest.mark.parametrize("rest", [0, 1_000, 7_654_321, 999_999_999])
def test_times_have_the_form_of_iso_8601(monkeypatch: pytest.MonkeyPatch, rest: int) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_947_153_000_000_000 + rest)
    moment = datetime.fromtimestamp(1_795_947_153).replace(microsecond=rest // 1000)
    in_utc = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")

    assert moments.local_now() == moment.isoformat()
    assert moments.utc_now() == in_utc.replace("+00:00", "Z")
