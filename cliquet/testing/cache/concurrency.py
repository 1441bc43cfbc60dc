"""Tests of caches with several threads, and with the transaction of a request."""

from __future__ import annotations

import pytest

from cliquet.cache import CacheBase
from cliquet.testing.bounded import Threads
from cliquet.testing.transactions import request_transaction

__all__ = ["CacheConcurrencyContract"]

SHORT_TTL_SECONDS = 0.01
LONG_TTL_SECONDS = 3600


class CacheConcurrencyContract:
    """Tests with several callers at once, and with requests that fail."""

    @pytest.mark.clause("B-21.32", "B-22.33")
    def test_entry_set_in_a_request_that_fails_remains(self, cache: CacheBase) -> None:
        cache.set("deleted", "value")
        with request_transaction() as request:
            cache.set("set", "value")
            cache.delete("deleted")
            request.abort()
        assert cache.get("set") == "value"
        assert cache.get("deleted") is None

    @pytest.mark.clause("B-21.32")
    def test_entry_set_in_a_request_is_visible_to_others_at_once(self, cache: CacheBase) -> None:
        with Threads(1) as pool, request_transaction():
            cache.set("key", "value")
            assert pool.submit(cache.get, "key").result() == "value"

    @pytest.mark.clause("B-22.34", "B-13.6")
    def test_threads_may_use_one_cache(self, cache: CacheBase) -> None:
        def wrong_answers(number: int) -> int:
            wrong = 0
            key = f"key-{number}"
            for turn in range(20):
                cache.set(key, turn, LONG_TTL_SECONDS)
                cache.set("shared", number, SHORT_TTL_SECONDS)
                cache.get("shared")
                cache.expire("shared", LONG_TTL_SECONDS)
                cache.delete("shared")
                wrong += cache.get(key) != turn
            return wrong

        with Threads(8) as pool:
            assert sum(pool.map(wrong_answers, range(8))) == 0
