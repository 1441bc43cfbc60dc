"""Tests of the expiry of entries, which wait as long as a slow machine needs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from cliquet.cache import CacheBase

__all__ = ["ExpiryContract"]

PATIENCE_SECONDS = 10.0
SHORT_TTL_SECONDS = 0.01
LONG_TTL_SECONDS = 3600


def _wait_until(condition: Callable[[], bool]) -> bool:
    """Return whether `condition` became true in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


class ExpiryContract:
    """Tests of the moment when entries vanish."""

    @pytest.mark.clause("B-13.3", "B-13.6")
    def test_entry_vanishes_after_its_time_to_live(self, cache: CacheBase) -> None:
        cache.set("key", "value", SHORT_TTL_SECONDS)
        assert _wait_until(lambda: cache.get("key") is None)

    @pytest.mark.clause("B-13.3")
    def test_entry_without_time_to_live_outlives_one_that_has(self, cache: CacheBase) -> None:
        cache.set("lasting", "value")
        cache.set("short", "value", SHORT_TTL_SECONDS)
        assert _wait_until(lambda: cache.get("short") is None)
        assert cache.get("lasting") == "value"

    @pytest.mark.clause("B-13.5", "B-22.32")
    @pytest.mark.parametrize("seconds", [90, LONG_TTL_SECONDS, 30 * 24 * 3600])
    def test_ttl_is_right_beyond_a_minute(self, cache: CacheBase, seconds: int) -> None:
        cache.set("key", "value", seconds)
        assert seconds - 60 < cache.ttl("key") <= seconds

    @pytest.mark.clause("B-13.5")
    def test_ttl_takes_keywords_and_fractions(self, cache: CacheBase) -> None:
        cache.set(key="key", value="value", ttl=120.5)
        assert 60 < cache.ttl(key="key") <= 121

    @pytest.mark.clause("B-13.5", "B-14.1")
    def test_ttl_is_negative_without_expiry(self, cache: CacheBase) -> None:
        cache.set("key", "value")
        assert cache.ttl("key") < 0

    @pytest.mark.clause("B-13.5", "B-14.1")
    def test_ttl_is_negative_for_an_unknown_key(self, cache: CacheBase) -> None:
        assert cache.ttl("unknown") < 0

    @pytest.mark.clause("B-14.1")
    @pytest.mark.parametrize("seconds", [0, 0.0, 0.0005])
    def test_entry_set_for_less_than_a_millisecond_vanishes_at_once(
        self, cache: CacheBase, seconds: float
    ) -> None:
        cache.set("key", "before")
        cache.set("key", "value", seconds)
        assert cache.get("key") is None
        assert cache.ttl("key") <= 0

    @pytest.mark.clause("B-13.8")
    def test_setting_again_replaces_value_and_expiry(self, cache: CacheBase) -> None:
        cache.set("key", "first", 90)
        cache.set("key", "second", LONG_TTL_SECONDS)
        assert cache.get("key") == "second"
        assert cache.ttl("key") > 90

    @pytest.mark.clause("B-13.8")
    def test_setting_again_without_ttl_removes_the_expiry(self, cache: CacheBase) -> None:
        cache.set("key", "first", 90)
        cache.set("key", "second")
        assert cache.ttl("key") < 0

    @pytest.mark.clause("B-13.8", "B-13.6")
    def test_setting_an_expired_entry_revives_it(self, cache: CacheBase) -> None:
        cache.set("key", "first", LONG_TTL_SECONDS)
        cache.expire("key", 0)
        cache.set("key", "second")
        assert cache.get("key") == "second"
        assert cache.ttl("key") < 0

    # Expire

    @pytest.mark.clause("B-13.4")
    def test_expire_shortens_the_life_of_an_entry(self, cache: CacheBase) -> None:
        cache.set("key", "value", LONG_TTL_SECONDS)
        cache.expire("key", SHORT_TTL_SECONDS)
        assert _wait_until(lambda: cache.get("key") is None)

    @pytest.mark.clause("B-13.4", "B-13.5")
    def test_expire_lengthens_the_life_of_an_entry(self, cache: CacheBase) -> None:
        cache.set("key", "value", 90)
        cache.expire("key", LONG_TTL_SECONDS)
        assert 90 < cache.ttl("key") <= LONG_TTL_SECONDS
        assert cache.get("key") == "value"

    @pytest.mark.clause("B-13.4")
    def test_expire_gives_an_expiry_to_an_entry_without(self, cache: CacheBase) -> None:
        cache.set("key", "value")
        cache.expire(key="key", ttl=LONG_TTL_SECONDS)
        assert 0 < cache.ttl("key") <= LONG_TTL_SECONDS

    @pytest.mark.clause("B-13.4")
    @pytest.mark.parametrize("seconds", [0, 0.0005])
    def test_expire_now_makes_the_entry_vanish_at_once(
        self, cache: CacheBase, seconds: float
    ) -> None:
        cache.set("key", "value", LONG_TTL_SECONDS)
        cache.expire("key", seconds)
        assert cache.ttl("key") <= 0
        assert cache.get("key") is None

    @pytest.mark.clause("B-13.4", "B-14.1")
    def test_expire_on_an_unknown_key_does_nothing(self, cache: CacheBase) -> None:
        cache.expire("key", LONG_TTL_SECONDS)
        assert cache.ttl("key") < 0
        cache.set("key", "value")
        assert cache.ttl("key") < 0

    @pytest.mark.clause("B-13.4", "B-13.6")
    def test_expire_does_not_revive_an_expired_entry(self, cache: CacheBase) -> None:
        cache.set("key", "value", LONG_TTL_SECONDS)
        cache.expire("key", 0)
        cache.expire("key", LONG_TTL_SECONDS)
        assert cache.get("key") is None
        assert cache.ttl("key") < 0
