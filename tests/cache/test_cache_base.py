"""The base class of caches, and the encoding that backends share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.cache import CacheBase
from cliquet.cache.values import decode, encode, milliseconds

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@pytest.mark.clause("B-13.1")
def test_prefix_is_mandatory() -> None:
    with pytest.raises(KeyError):
        CacheBase()


@pytest.mark.clause("B-13.1", "P-29.3")
def test_prefix_is_an_attribute() -> None:
    assert CacheBase(cache_prefix="p_").prefix == "p_"


@pytest.mark.clause("B-13.1", "P-29.3", "B-0.5")
@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.initialize_schema(),
        lambda cache: cache.flush(),
        lambda cache: cache.ttl(key="k"),
        lambda cache: cache.expire(key="k", ttl=1),
        lambda cache: cache.set(key="k", value="v"),
        lambda cache: cache.set(key="k", value="v", ttl=1),
        lambda cache: cache.get(key="k"),
        lambda cache: cache.delete(key="k"),
    ],
)
def test_methods_are_abstract(call: Callable[[CacheBase], object]) -> None:
    with pytest.raises(NotImplementedError):
        call(CacheBase(cache_prefix=""))


@pytest.mark.clause("B-13.2")
@given(JSON)
def test_json_value_survives_encoding(value: object) -> None:
    # repr tells 1, 1.0 and True apart, and 0.0 from -0.0.
    assert repr(decode(encode(value))) == repr(value)


@pytest.mark.clause("B-13.2", "B-22.27")
@given(JSON)
def test_encoded_value_is_ascii_without_nul(value: object) -> None:
    text = encode(value)
    assert text.isascii()
    assert "\x00" not in text


@pytest.mark.clause("B-14.1")
def test_cycle_is_refused() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(TypeError, match="JSON cannot carry"):
        encode(cycle)


@pytest.mark.clause("B-13.3", "B-14.1")
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, 0),
        (-1, 0),
        (0.0009, 0),
        (0.001, 1),
        (0.01, 10),
        (1.001, 1001),
        (1.0019, 1001),
        (90, 90000),
    ],
)
def test_delays_are_cut_to_the_millisecond(seconds: float, expected: int) -> None:
    assert milliseconds(seconds) == expected
