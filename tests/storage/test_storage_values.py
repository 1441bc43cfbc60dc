import enum
from types import MappingProxyType

import pytest

from cliquet.storage.ordering import json_equal
from cliquet.storage.values import copy_again, copy_json, copy_object


class Text(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Decimal(float):
    pass


@pytest.mark.clause("B-1.7")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text.RED, "red"),
        (Number.ONE, 1),
        (Decimal(0.5), 0.5),
        (MappingProxyType({"a": Text.RED}), {"a": "red"}),
        ((1, [Number.ONE]), [1, [1]]),
        (2**80, 2**80),
    ],
)
def test_subclasses_become_plain_json_values(value: object, expected: object) -> None:
    copied = copy_json(value)

    assert copied == expected
    assert type(copied) is type(expected)
    assert json_equal(value, expected)


@pytest.mark.clause("B-1.8")
@pytest.mark.parametrize(
    "value", [b"", bytearray(), {1}, 1j, object(), {1: 2}, [{"a": b""}], float("nan"), ...]
)
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        copy_json(value)


@pytest.mark.clause("B-22.8")
def test_a_copy_shares_nothing() -> None:
    value = {"list": [{"a": [1]}]}

    copied = copy_json(value)
    copied["list"][0]["a"].append(2)

    assert value == {"list": [{"a": [1]}]}


def test_a_second_copy_equals_the_first_and_shares_no_container() -> None:
    value = {"b": [1, "a", {"c": [[]]}], "a": {"b": {"d": None}}, "long": 0.5}
    first = copy_object(value)

    second = copy_again(first)

    assert list(second.items()) == list(first.items())
    for one in (second["b"], second["b"][2], second["b"][2]["c"], second["b"][2]["c"][0]):
        one.clear()
    second["a"]["b"].clear()
    assert first == value
