"""Tests of the values and keys of caches, and of their deletion."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.cache import CacheBase

__all__ = ["EntriesContract"]

LONG_TTL_SECONDS = 3600

JSON_VALUES = [
    "text",
    "",
    "snowman \u2603, clef \U0001d11e, null \x00 and quotes '\"",
    0,
    -12,
    2**53 + 1,
    3.14,
    1.0,
    True,
    False,
    [],
    {},
    [1, [2.5, None, [True]], {"a": "b"}],
    {"nested": {"list": [{"deep": None}]}, "\u2603": 1},
]
# They have names, because the text of an object contains its address, which differs between
# parallel runs.
NOT_JSON_VALUES = {
    "bytes": b"bytes",
    "nested bytes": {"in": [b"bytes"]},
    "object": object(),
    "set": {1, 2},
    "not a number": float("nan"),
    "infinity": float("inf"),
}
ODD_KEYS = [
    "",
    "a b",
    "it's",
    'quo"te',
    "a:b",
    "a%b_c",
    "a*b?[c]",
    "\u2603",
    "k" * 300,
    "line\nbreak",
]


def _typed(value: Any) -> Any:
    """Return `value` in a form in which 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return (type(value), value)


class EntriesContract:
    """Tests of stored values and of their keys."""

    @pytest.mark.clause("B-13.1", "P-29.3", "S-11.1")
    def test_is_a_cache_and_keeps_its_prefix(self, cache: CacheBase) -> None:
        assert isinstance(cache, CacheBase)
        assert cache.prefix == ""

    @pytest.mark.clause("B-13.1", "B-14.4")
    def test_schema_may_be_initialized_again_without_loss(self, cache: CacheBase) -> None:
        cache.set("key", "value")
        cache.initialize_schema()
        cache.initialize_schema()
        assert cache.get("key") == "value"

    # Values

    @pytest.mark.clause("B-13.2")
    @pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
    def test_value_comes_back_equal_and_of_the_same_type(
        self, cache: CacheBase, value: Any
    ) -> None:
        cache.set("key", value)
        assert _typed(cache.get("key")) == _typed(value)

    @pytest.mark.clause("B-13.2")
    def test_stored_none_reads_like_a_missing_key(self, cache: CacheBase) -> None:
        cache.set("key", None)
        assert cache.get("key") is None

    @pytest.mark.clause("B-14.1")
    def test_tuple_comes_back_as_a_list(self, cache: CacheBase) -> None:
        cache.set("key", (1, ("two",)))
        assert cache.get("key") == [1, ["two"]]

    @pytest.mark.clause("B-14.1", "B-21.31")
    @pytest.mark.parametrize("value", NOT_JSON_VALUES.values(), ids=NOT_JSON_VALUES)
    def test_value_that_json_cannot_carry_is_refused_and_changes_nothing(
        self, cache: CacheBase, value: Any
    ) -> None:
        cache.set("key", "before")
        with pytest.raises(TypeError):
            cache.set("key", value)
        assert cache.get("key") == "before"

    @pytest.mark.clause("B-22.8", "B-14.1")
    def test_changing_what_was_stored_does_not_change_the_cache(self, cache: CacheBase) -> None:
        value = {"list": [1]}
        cache.set("key", value)
        value["list"].append(2)
        assert cache.get("key") == {"list": [1]}

    @pytest.mark.clause("B-22.8", "B-14.1")
    def test_changing_what_was_read_does_not_change_the_cache(self, cache: CacheBase) -> None:
        cache.set("key", {"list": [1]})
        cache.get("key")["list"].append(2)
        assert cache.get("key") == {"list": [1]}

    # Keys

    @pytest.mark.clause("B-13.6")
    def test_unknown_key_reads_as_none(self, cache: CacheBase) -> None:
        assert cache.get("unknown") is None

    @pytest.mark.clause("B-14.1")
    @pytest.mark.parametrize("key", ODD_KEYS, ids=repr)
    def test_any_text_is_a_key(self, cache: CacheBase, key: str) -> None:
        cache.set(key, "value", LONG_TTL_SECONDS)
        assert cache.get(key) == "value"
        assert cache.ttl(key) > 0
        assert cache.delete(key) == "value"

    @pytest.mark.clause("B-14.1")
    def test_keys_that_look_like_patterns_name_one_entry(self, cache: CacheBase) -> None:
        for key in ("a*", "ab", "a%", "a_", "a?", "a."):
            cache.set(key, key)
        for key in ("a*", "a%", "a_", "a?", "a."):
            assert cache.delete(key) == key
        assert cache.get("ab") == "ab"

    # Deletion

    @pytest.mark.clause("B-21.31")
    def test_delete_returns_the_value_removed(self, cache: CacheBase) -> None:
        cache.set("key", {"a": [1]})
        assert cache.delete("key") == {"a": [1]}
        assert cache.get("key") is None

    @pytest.mark.clause("B-13.6", "B-21.31")
    def test_deleting_an_unknown_key_is_silent(self, cache: CacheBase) -> None:
        assert cache.delete("unknown") is None

    @pytest.mark.clause("B-21.31", "B-13.6")
    def test_deleting_an_expired_entry_returns_none(self, cache: CacheBase) -> None:
        cache.set("key", "value", LONG_TTL_SECONDS)
        cache.expire("key", 0)
        assert cache.delete("key") is None

    @pytest.mark.clause("B-13.8")
    def test_deletion_forgets_the_expiry(self, cache: CacheBase) -> None:
        cache.set("key", "first", LONG_TTL_SECONDS)
        cache.delete("key")
        cache.set("key", "second")
        assert cache.ttl("key") < 0

    @pytest.mark.clause("B-13.1", "B-22.28")
    def test_flush_removes_every_entry(self, cache: CacheBase) -> None:
        cache.set("lasting", 1)
        cache.set("expiring", 2, LONG_TTL_SECONDS)
        cache.flush()
        assert cache.get("lasting") is None
        assert cache.get("expiring") is None
        assert cache.ttl("expiring") < 0
