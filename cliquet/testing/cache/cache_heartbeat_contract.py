"""Tests of the health check of caches."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cliquet import cache as cache_package
from cliquet.cache import CacheBase, heartbeat
from cliquet.testing.faults import FaultyBackend, RecordingLogger, fail

__all__ = ["CacheHeartbeatContract"]


def _faulty(cache: CacheBase, **methods: Callable[..., Any]) -> CacheBase:
    return cast("CacheBase", FaultyBackend(cache, **methods))


def _do_nothing(*_args: Any) -> None:
    pass


def _request() -> Any:
    return SimpleNamespace(registry=SimpleNamespace(settings={"readonly": "true"}), headers={})


class CacheHeartbeatContract:
    """Tests of the operations of the check, and of its answer to failures."""

    @pytest.mark.clause("B-17.2", "B-17.3", "P-6.5")
    def test_heartbeat_writes_an_entry_for_an_hour(
        self, cache: CacheBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache_package.random, "random", lambda: 0.5)
        assert heartbeat(cache)(_request()) is True
        assert cache.get("__heartbeat__") == "alive"
        assert 3000 < cache.ttl("__heartbeat__") <= 3600

    @pytest.mark.clause("B-17.2", "B-17.3", "P-6.5")
    def test_heartbeat_deletes_the_entry_half_of_the_time(
        self, cache: CacheBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache.set("__heartbeat__", "alive")
        monkeypatch.setattr(cache_package.random, "random", lambda: 0.49)
        assert heartbeat(cache)(_request()) is True
        assert cache.get("__heartbeat__") is None

    @pytest.mark.clause("B-17.1", "B-21.39")
    @pytest.mark.parametrize(("draw", "method"), [(0.1, "delete"), (0.9, "set"), (0.9, "get")])
    def test_heartbeat_of_a_failing_cache_is_false_and_logged(
        self, cache: CacheBase, monkeypatch: pytest.MonkeyPatch, draw: float, method: str
    ) -> None:
        logger = RecordingLogger()
        monkeypatch.setattr(cache_package, "logger", logger)
        monkeypatch.setattr(cache_package.random, "random", lambda: draw)
        assert heartbeat(_faulty(cache, **{method: fail}))(_request()) is False
        assert logger.exceptions == ["Heartbeat Failure"]

    @pytest.mark.clause("B-21.39", "B-17.7")
    def test_heartbeat_is_false_when_the_entry_written_cannot_be_read(
        self, cache: CacheBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache_package.random, "random", lambda: 0.9)
        assert heartbeat(_faulty(cache, set=_do_nothing))(_request()) is False

    @pytest.mark.clause("B-21.39", "B-17.7")
    def test_heartbeat_is_false_when_the_entry_deleted_is_still_there(
        self, cache: CacheBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache.set("__heartbeat__", "alive")
        monkeypatch.setattr(cache_package.random, "random", lambda: 0.1)
        assert heartbeat(_faulty(cache, delete=_do_nothing))(_request()) is False
