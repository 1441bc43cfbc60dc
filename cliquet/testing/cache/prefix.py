"""Tests of the prefix of keys."""

from __future__ import annotations

import pytest

from cliquet.cache import CacheBase

__all__ = ["PREFIX", "CachePrefixContract"]

PREFIX = "prefix_"
LONG_TTL_SECONDS = 3600


class CachePrefixContract:
    """Tests of the effect of a prefix on the entries of a cache."""

    @pytest.mark.clause("B-13.7", "B-13.9", "S-11.6")
    def test_entry_is_seen_without_prefix_under_its_whole_key(
        self, cache: CacheBase, prefixed_cache: CacheBase
    ) -> None:
        prefixed_cache.set("key", "value", LONG_TTL_SECONDS)
        assert cache.get(f"{PREFIX}key") == "value"
        assert cache.get("key") is None
        assert cache.ttl(f"{PREFIX}key") > 0

    @pytest.mark.clause("B-13.7")
    def test_entry_set_without_prefix_is_seen_by_the_prefixed_cache(
        self, cache: CacheBase, prefixed_cache: CacheBase
    ) -> None:
        cache.set(f"{PREFIX}key", "value")
        assert prefixed_cache.get("key") == "value"

    @pytest.mark.clause("B-13.7")
    def test_prefix_holds_for_expire_and_ttl(
        self, cache: CacheBase, prefixed_cache: CacheBase
    ) -> None:
        cache.set("key", "other")
        prefixed_cache.set("key", "value")
        prefixed_cache.expire("key", LONG_TTL_SECONDS)
        assert prefixed_cache.ttl("key") > 0
        assert cache.ttl("key") < 0
        assert cache.ttl(f"{PREFIX}key") > 0

    @pytest.mark.clause("B-13.7")
    def test_prefix_holds_for_delete(self, cache: CacheBase, prefixed_cache: CacheBase) -> None:
        cache.set("key", "other")
        prefixed_cache.set("key", "value")
        assert prefixed_cache.delete("key") == "value"
        assert cache.get("key") == "other"

    @pytest.mark.clause("B-22.28")
    def test_flush_leaves_the_entries_of_other_prefixes(
        self, cache: CacheBase, prefixed_cache: CacheBase
    ) -> None:
        others = ["key", f"{PREFIX[:-1]}X", PREFIX[:-1], f"x{PREFIX}key"]
        for key in others:
            cache.set(key, "other")
        prefixed_cache.set("key", "value")
        prefixed_cache.flush()
        assert prefixed_cache.get("key") is None
        assert [cache.get(key) for key in others] == ["other"] * len(others)
