"""The cache in memory: the contract, the clock, the quota."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from support.clocks import Clock
from support.configured import config_of

from cliquet.cache import memory
from cliquet.cache.memory import Cache
from cliquet.testing.cache import PREFIX, CacheContract, CachePrefixContract

EVERYTHING = None
ENTRY_BYTES = 3 * 1 + 3 + 48
"""A key of one character, a text of one character between quotes."""


def _computed_size_bytes(cache: Cache) -> int:
    return sum(3 * len(key) + len(text) + 48 for key, text in cache._store.items())


class TestMemoryCache(CacheContract, CachePrefixContract):
    @pytest.fixture
    def cache(self) -> Cache:
        return Cache(cache_prefix="")

    @pytest.fixture
    def prefixed_cache(self, cache: Cache) -> Cache:
        prefixed = Cache(cache_prefix=PREFIX)
        prefixed._store = cache._store
        prefixed._ttl = cache._ttl
        return prefixed


# Construction


@pytest.mark.clause("P-35.17")
def test_prefix_may_be_left_out() -> None:
    assert Cache().prefix == ""
    assert Cache("p_").prefix == "p_"


@pytest.mark.clause("S-11.1", "B-13.9", "S-11.6", "B-21.33")
def test_loaded_with_default_settings() -> None:
    cache = memory.load_from_config(config_of({}))
    assert isinstance(cache, Cache)
    assert (cache.prefix, cache.max_size_bytes) == ("", 524288)


@pytest.mark.clause("S-11.6", "B-21.33")
@pytest.mark.parametrize(
    ("written", "expected"), [("1000", 1000), (0, 0), (None, None), ("", None)]
)
def test_loaded_with_prefix_and_quota(written: int | str | None, expected: int | None) -> None:
    cache = memory.load_from_config(
        config_of({"cache_prefix": "p_", "cache_max_size_bytes": written})
    )
    assert (cache.prefix, cache.max_size_bytes) == ("p_", expected)


@pytest.mark.clause("B-14.2", "B-24")
def test_dictionaries_are_keyed_with_the_prefix() -> None:
    cache = Cache(cache_prefix="p_")
    cache.set("key", "value", 10)
    assert list(cache._store) == ["p_key"]
    assert list(cache._ttl) == ["p_key"]


# Clock


@pytest.mark.clause("B-13.3", "B-13.6", "B-24")
def test_entry_vanishes_at_the_millisecond(clock: Clock) -> None:
    cache = Cache()
    cache.set("key", "value", 0.01)
    clock.now += 9
    assert cache.get("key") == "value"
    clock.now += 1
    assert cache.get("key") is None


@pytest.mark.clause("B-13.5", "B-14.1", "B-22.32")
def test_ttl_counts_down_to_the_millisecond(clock: Clock) -> None:
    cache = Cache()
    cache.set("key", "value", 90.5)
    assert cache.ttl("key") == 90.5
    clock.now += 30_001
    assert cache.ttl("key") == 60.499
    clock.now += 60_499
    assert cache.ttl("key") < 0


@pytest.mark.clause("B-13.4")
def test_expire_counts_from_now(clock: Clock) -> None:
    cache = Cache()
    cache.set("key", "value", 10)
    clock.now += 9_000
    cache.expire("key", 10)
    clock.now += 9_000
    assert cache.get("key") == "value"
    assert cache.ttl("key") == 1.0


@pytest.mark.clause("B-13.4", "B-13.6")
def test_expire_does_not_revive_an_entry_that_time_took(clock: Clock) -> None:
    cache = Cache()
    cache.set("key", "value", 1)
    clock.now += 1_000
    cache.expire("key", 10)
    assert cache.get("key") is None
    assert cache.ttl("key") < 0


@pytest.mark.clause("B-21.31")
def test_delete_does_not_return_what_time_took(clock: Clock) -> None:
    cache = Cache()
    cache.set("key", "value", 1)
    clock.now += 1_000
    assert cache.delete("key") is None


# Bounded memory


@pytest.mark.clause("B-22.9", "B-23.14")
def test_reading_unknown_keys_leaves_no_trace() -> None:
    cache = Cache()
    for number in range(100):
        cache.get(f"key-{number}")
        cache.ttl(f"key-{number}")
        cache.expire(f"key-{number}", 10)
        cache.delete(f"key-{number}")
    assert (cache._store, cache._ttl) == ({}, {})


@pytest.mark.clause("B-22.9")
def test_expired_entry_leaves_no_trace_once_read(clock: Clock) -> None:
    cache = Cache()
    cache.set("key", "value", 1)
    clock.now += 1_000
    cache.get("key")
    assert (cache._store, cache._ttl, cache._store.size_bytes) == ({}, {}, 0)


@pytest.mark.clause("B-22.9", "B-14.1")
def test_entry_that_vanishes_at_once_leaves_no_trace() -> None:
    cache = Cache()
    cache.set("set", "value", 0)
    cache.set("expired", "value")
    cache.expire("expired", 0)
    assert (cache._store, cache._ttl, cache._store.size_bytes) == ({}, {}, 0)


@pytest.mark.clause("B-23.14", "B-22.12")
def test_reading_one_entry_visits_no_other(clock: Clock) -> None:
    class Counting(dict[str, int]):
        visited = 0

        def __iter__(self) -> Any:
            type(self).visited += 1
            return super().__iter__()

        def items(self) -> Any:
            type(self).visited += 1
            return super().items()

    cache = Cache(cache_max_size_bytes=EVERYTHING)
    cache._ttl = Counting()
    for number in range(100):
        cache.set(f"key-{number}", "value", 1)
    clock.now += 1_000
    cache.get("key-7")
    cache.ttl("key-8")
    assert Counting.visited == 0
    assert len(cache._store) == 99


@pytest.mark.clause("B-22.9", "B-21.33")
def test_entries_without_expiry_do_not_accumulate_without_bound() -> None:
    cache = Cache(cache_max_size_bytes=10_000)
    for number in range(5_000):
        cache.set(f"key-{number}", "value")
    assert cache._store.size_bytes < 10_000 + 100
    assert cache.get("key-4999") == "value"
    assert cache.get("key-0") is None


@pytest.mark.clause("B-22.9")
def test_expired_entries_do_not_accumulate_even_without_quota(clock: Clock) -> None:
    cache = Cache(cache_max_size_bytes=EVERYTHING)
    for number in range(10_000):
        cache.set(f"key-{number}", "value", 1)
        clock.now += 10
    assert len(cache._store) <= 2_000


@pytest.mark.clause("B-21.33")
def test_no_quota_means_no_limit() -> None:
    cache = Cache(cache_max_size_bytes=EVERYTHING)
    for number in range(2_000):
        cache.set(f"key-{number}", "value" * 100)
    assert len(cache._store) == 2_000


# Quota


@pytest.mark.clause("B-21.33")
@pytest.mark.parametrize("value", ["text", 12, {"a": [1, None]}])
def test_entry_counts_its_prefixed_key_three_times_its_text_and_48(
    value: dict[str, Any] | int | str,
) -> None:
    cache = Cache(cache_prefix="p_")
    cache.set("key", value)
    text = json.dumps(value, separators=(",", ":"))
    assert cache._store.size_bytes == 3 * len("p_key") + len(text) + 48


@pytest.mark.clause("B-21.33")
def test_nothing_is_dropped_before_the_quota_is_reached() -> None:
    cache = Cache(cache_max_size_bytes=10 * ENTRY_BYTES)
    for key in "abcdefghij":
        cache.set(key, "v")
    assert "".join(cache._store) == "abcdefghij"


@pytest.mark.clause("B-21.33")
def test_full_cache_drops_the_oldest_until_under_four_fifths(clock: Clock) -> None:
    cache = Cache(cache_max_size_bytes=10 * ENTRY_BYTES)
    for key in "abcdefghij":
        cache.set(key, "v", 100)
    cache.set("k", "v")
    assert "".join(cache._store) == "defghijk"
    assert sorted(cache._ttl) == list("defghij")


@pytest.mark.clause("B-21.33")
def test_full_cache_drops_the_expired_first(clock: Clock) -> None:
    cache = Cache(cache_max_size_bytes=10 * ENTRY_BYTES)
    for key in "abcdefg":
        cache.set(key, "v")
    for key in "hij":
        cache.set(key, "v", 1)
    clock.now += 1_000
    cache.set("k", "v")
    assert "".join(cache._store) == "abcdefgk"


@pytest.mark.clause("B-21.33", "B-13.8")
def test_setting_again_makes_an_entry_the_most_recent() -> None:
    cache = Cache(cache_max_size_bytes=10 * ENTRY_BYTES)
    for key in "abcdefghij":
        cache.set(key, "v")
    cache.set("a", "w")
    assert "".join(cache._store) == "bcdefghija"
    cache.set("k", "v")
    assert "".join(cache._store) == "efghijak"


@pytest.mark.clause("B-21.33")
def test_quota_of_zero_keeps_the_entry_just_set() -> None:
    cache = Cache(cache_max_size_bytes=0)
    cache.set("a", "first")
    assert cache.get("a") == "first"
    cache.set("b", "second", 10)
    assert cache.get("b") == "second"
    assert cache.get("a") is None


@pytest.mark.clause("B-21.33")
def test_entry_larger_than_the_quota_is_kept_until_the_next_write() -> None:
    cache = Cache(cache_max_size_bytes=100)
    cache.set("large", "v" * 1000)
    assert cache.get("large") == "v" * 1000
    cache.set("b", "v")
    assert list(cache._store) == ["b"]


@pytest.mark.clause("B-22.45")
def test_overwriting_and_deleting_unknown_keys_keep_the_size_exact() -> None:
    cache = Cache()
    cache.set("key", "long value")
    cache.set("key", "v")
    cache.delete("unknown")
    assert cache._store.size_bytes == _computed_size_bytes(cache) == 3 * 3 + 3 + 48
    cache.delete("key")
    cache.delete("key")
    assert cache._store.size_bytes == 0


@pytest.mark.clause("B-22.45", "B-24")
def test_size_is_exact_when_entries_are_written_directly() -> None:
    cache = Cache()
    cache._store["key"] = '"long value"'
    cache._store["key"] = '"v"'
    assert cache._store.size_bytes == _computed_size_bytes(cache)
    assert cache.get("key") == "v"


@pytest.mark.clause("B-22.45")
@pytest.mark.parametrize("seed", range(5))
def test_size_is_exact_after_any_sequence(clock: Clock, seed: int) -> None:
    dice = random.Random(seed)
    cache = Cache(cache_prefix="p_", cache_max_size_bytes=1_500)
    for _ in range(1_000):
        key = "k" * dice.randrange(1, 30)
        step = dice.randrange(6)
        if step <= 1:
            cache.set(key, "v" * dice.randrange(50), dice.choice([None, 0, 0.005, 10]))
        elif step == 2:
            cache.delete(key)
        elif step == 3:
            cache.get(key)
        elif step == 4:
            cache.expire(key, dice.choice([0, 0.005, 10]))
        elif dice.random() < 0.05:
            cache.flush()
        clock.now += dice.randrange(4)
        assert cache._store.size_bytes == _computed_size_bytes(cache)
        assert cache._ttl.keys() <= cache._store.keys()


@pytest.mark.clause("B-14.2", "B-22.45")
def test_caches_that_share_their_dictionaries_agree_on_the_size() -> None:
    cache, other = Cache(), Cache(cache_prefix="p_")
    other._store, other._ttl = cache._store, cache._ttl
    cache.set("a", "v")
    other.set("b", "v")
    cache.delete("p_b")
    other.set("c", "v")
    assert cache._store.size_bytes == other._store.size_bytes == _computed_size_bytes(cache)
