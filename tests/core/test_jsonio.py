"""JSON in and out: what bodies may hold, and how odd values are rendered."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import re
import types
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.core import json_shape, jsonio

# In


@pytest.mark.clause("H-1.6")
def test_last_of_repeated_members_wins() -> None:
    assert jsonio.loads_strict(b'{"a": 1, "a": 2}') == {"a": 2}
    assert jsonio.loads_strict(b'{"a": 1e999, "a": 2}') == {"a": 2}


@pytest.mark.clause("H-1.7")
@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a": 12345678901234567}'])
def test_byte_order_mark_is_tolerated(body: bytes) -> None:
    assert jsonio.loads_strict(b"\xef\xbb\xbf" + body) == jsonio.loads_strict(body)


@pytest.mark.clause("H-1.7")
def test_second_byte_order_mark_is_not() -> None:
    with pytest.raises(jsonio.JSONError) as caught:
        jsonio.loads_strict(b"\xef\xbb\xbf" * 2 + b"{}")

    assert caught.value.message == "Expecting value: line 1 column 1 (char 0)"


@pytest.mark.clause("H-6.10", "H-8.3", "D-13")
@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"\xff", "line 1 column 1 (char 0)"),
        (b'{"a":\n "\xc3\xa9\xe9"}', "line 2 column 4 (char 9)"),
        (b'"\xed\xa0\x80"', "line 1 column 2 (char 1)"),
        ('{"a": "é"}'.encode("utf-16"), "line 1 column 1 (char 0)"),
    ],
)
def test_invalid_utf8_is_refused_with_its_place(body: bytes, place: str) -> None:
    with pytest.raises(jsonio.JSONError) as caught:
        jsonio.loads_strict(body)

    assert caught.value.message == f"Invalid UTF-8: {place}"
    assert caught.value.path is None


@pytest.mark.clause("H-8.3", "H-8.4")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"{'foo>}",
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b"x", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"a" 1}', "Expecting ':' delimiter: line 1 column 6 (char 5)"),
        (b"[1\n2]", "Expecting ',' delimiter: line 2 column 1 (char 3)"),
        (b"{} {}", "Extra data: line 1 column 4 (char 3)"),
        (b'"a', "Unterminated string starting at: line 1 column 1 (char 0)"),
        (b'"\x01"', "Invalid control character at: line 1 column 2 (char 1)"),
        (b'"\x00"', "Invalid control character at: line 1 column 2 (char 1)"),
        (b'"' + b"[" * 200, "Unterminated string starting at: line 1 column 1 (char 0)"),
    ],
)
def test_syntax_error_says_where_and_why(body: bytes, message: str) -> None:
    with pytest.raises(jsonio.JSONError) as caught:
        jsonio.loads_strict(body)

    assert caught.value.message == message
    assert str(caught.value) == message
    assert caught.value.path is None


@pytest.mark.clause("H-8.4")
@pytest.mark.parametrize("body", [rb'{"a": "\u12"}', rb'{"a": "\uzzzz"}', rb'{"a": "\x41"}'])
def test_invalid_escape_mentions_escape_sequence(body: bytes) -> None:
    place = r"line 1 column [89] \(char [78]\)$"
    with pytest.raises(jsonio.JSONError, match=f"escape sequence: {place}"):
        jsonio.loads_strict(body)


@pytest.mark.clause("D-10")
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1E+999"])
def test_what_is_no_number_is_refused_with_its_path(number: str) -> None:
    with pytest.raises(jsonio.JSONError) as caught:
        jsonio.loads_strict(f'{{"data": {{"n": {number}}}}}'.encode())

    assert caught.value.path == "data.n"
    assert caught.value.message.endswith(": data.n")


@pytest.mark.clause("D-11", "X-25")
@pytest.mark.parametrize(
    "number",
    [
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "1" * 5000,
        "-" + "1" * 5000,
        "0.12345678901234567",
        "0.12345678901234567890",
        "9007199254740993.0",
        "123456789012345678.5",
        "1e-400",
        "1e-99999999999999999999",
        "1e99999999999999999999",
        "4.9e-325",
        "0." + "0" * 400 + "1",
        "1" * 400 + ".5",
        "1234567890123456789e5",
    ],
)
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"data": {"n": %s}}', "data.n"),
        ('{"data":{"list":[0,%s]}}', "data.list.1"),
        ('{"data":\n[%s ]}', "data.0"),
        ("%s", None),
        (" %s", None),
    ],
)
def test_number_that_would_change_is_refused_with_its_path(
    number: str, body: str, path: str | None
) -> None:
    with pytest.raises(jsonio.JSONError) as caught:
        jsonio.loads_strict((body % number).encode())

    assert caught.value.path == path
    assert path is None or caught.value.message.endswith(f": {path}")


@pytest.mark.clause("D-11", "X-25")
@pytest.mark.parametrize(
    "number",
    [
        "18446744073709551615",
        "-9223372036854775808",
        "9007199254740993",
        "0.1234567890123456",
        "0.12345678901234568",
        "0.1",
        "1.10",
        "-0.0",
        "1e22",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014E-308",
        "1e15",
        "1.0",
        "0e10",
        "1445000000123",
        "1234567890123456",
    ],
)
@pytest.mark.parametrize("body", ['{"n": %s}', "[%s]", "%s"])
def test_accepted_number_is_given_back_exactly(number: str, body: str) -> None:
    value = jsonio.loads_strict((body % number).encode())

    rendered = json.loads(
        jsonio.dumps(value), parse_int=decimal.Decimal, parse_float=decimal.Decimal
    )
    original = json.loads(body % number, parse_int=decimal.Decimal, parse_float=decimal.Decimal)
    assert rendered == original


@pytest.mark.clause("D-11")
def test_digits_inside_text_are_no_number() -> None:
    body = b'{"a": "x, 123456789012345678901234567890, 1e999", "123456789012345678901": "1e400"}'

    assert jsonio.loads_strict(body) == json.loads(body)


@pytest.mark.clause("D-12", "B-21.20")
@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        (rb'{"data": {"a": ["b", "\u0000"]}}', "data.a.1", "U+0000 in text: data.a.1"),
        (rb'{"data": {"a\u0000b": 1}}', "data", "U+0000 in a member name: data"),
        (rb'{"\u0000": 1}', None, "U+0000 in a member name"),
        (rb'"\u0000"', None, "U+0000 in text"),
        (rb'{"a": "\ud800"}', "a", "Lone surrogate in text: a"),
        (rb'{"a": "\udc00\ud800"}', "a", "Lone surrogate in text: a"),
        (rb'{"a": {"\ud800": 1}}', "a", "Lone surrogate in a member name: a"),
    ],
)
def test_characters_that_cannot_be_stored_are_refused(
    body: bytes, path: str | None, message: str
) -> None:
    with pytest.raises(jsonio.JSONError) as caught:
        jsonio.loads_strict(body)

    assert caught.value.path == path
    assert caught.value.message == message


@pytest.mark.clause("D-12")
def test_text_that_only_looks_like_such_an_escape_is_accepted() -> None:
    assert jsonio.loads_strict(rb'["\\u0000", "\ud83d\ude00", 1e22]') == [
        "\\u0000",
        "\U0001f600",
        1e22,
    ]


@pytest.mark.clause("D-11")
def test_first_fault_of_the_document_is_the_one_reported() -> None:
    with pytest.raises(jsonio.JSONError) as caught:
        jsonio.loads_strict(rb'{"b": [{"x": 1}, {"y": NaN}], "a": "\u0000", "c": 1e999}')

    assert caught.value.path == "b.1.y"


@pytest.mark.clause("D-12")
@pytest.mark.parametrize("size", [1, 2**19], ids=["ordinary", "large"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        # In these texts are the brackets that would close, or open, those around them.
        (b'["]",', b',"["]'),
        (b'["\\"]",', b',"[\\\\"]'),
        (b'{"}":', b"}"),
    ],
)
def test_brackets_in_texts_neither_hide_levels_nor_make_some(
    before: bytes, after: bytes, size: int
) -> None:
    text = json.dumps("[{" * size).encode()
    accepted = before * jsonio.MAX_DEPTH + text + after * jsonio.MAX_DEPTH

    assert jsonio.loads_strict(accepted)
    with pytest.raises(jsonio.JSONError, match="levels of nesting"):
        jsonio.loads_strict(before + accepted + after)


@pytest.mark.clause("D-12")
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_bounded(opening: bytes, closing: bytes) -> None:
    accepted = opening * jsonio.MAX_DEPTH + b"1" + closing * jsonio.MAX_DEPTH

    jsonio.loads_strict(accepted)
    with pytest.raises(jsonio.JSONError, match="More than 100 levels of nesting"):
        jsonio.loads_strict(opening + accepted + closing)


@pytest.mark.clause("D-12")
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b'["\\u0000",' * 5000])
def test_excessive_nesting_is_refused_without_recursion(body: bytes) -> None:
    with pytest.raises(jsonio.JSONError, match="levels of nesting"):
        jsonio.loads_strict(body)


def levels(body: bytes) -> int:
    """Return the greatest number of containers inside each other, up to one that never began."""
    deepest = depth = 0
    is_text = False
    for mark in re.findall(rb'\\["\\]|[][{}"]', body):
        if mark == b'"':
            is_text = not is_text
        elif not is_text and mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif not is_text and mark in b"]}":
            depth -= 1
            if depth < 0:
                break
    return deepest


@pytest.mark.clause("D-12")
@given(st.text('[]{}",\\a', max_size=30), st.sampled_from([None, 1000]))
def test_levels_are_those_outside_of_texts(body: str, max_values: int | None) -> None:
    raw = body.encode()
    is_refused = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_shape, "MAX_DEPTH", 2)
        try:
            json_shape.check_shape(raw, max_values)
        except json_shape.JSONError:
            is_refused = True

    assert is_refused == (levels(raw) > 2)


@pytest.mark.clause("D-12")
def test_many_containers_side_by_side_and_brackets_in_text_are_accepted() -> None:
    body = jsonio.dumps([{"a": ["[" * 300, '\\"[{']}] * 300)

    assert jsonio.loads_strict(body) == json.loads(body)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab.é\U0001f600"), inner),
    max_leaves=30,
)


@pytest.mark.clause("D-11", "X-25", "D-13")
@given(JSON_VALUES)
def test_what_was_emitted_is_accepted_with_the_same_value(value: object) -> None:
    assert jsonio.loads_strict(jsonio.dumps(value)) == value
    assert jsonio.loads_strict(json.dumps(value).encode()) == value


def is_storable(value: Any) -> bool:
    """Tell whether a value is made of what every backend can hold."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(item)
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, str):
            if "\x00" in item or any("\ud800" <= character <= "\udfff" for character in item):
                return False
        elif isinstance(item, float):
            if not math.isfinite(item):
                return False
        elif item is not None and not (isinstance(item, int) and -(2**63) <= item < 2**64):
            return False
    return True


PIECES = st.lists(
    st.sampled_from(
        [
            *'[]{},:"\\ \n0123456789.-+eE',
            "null",
            "true",
            "NaN",
            "\\u0000",
            "\\ud800",
            '"a":',
            "1e999",
        ]
    ),
    max_size=40,
).map("".join)


@pytest.mark.clause("D-10", "D-11", "D-12", "D-13", "H-8.4")
@given(
    st.binary()
    | PIECES.map(str.encode)
    | PIECES.map(lambda text: f"[{text}]".encode())
    | PIECES.map(lambda text: f'{{"a":"{text}"}}'.encode())
)
def test_any_body_is_accepted_exactly_or_refused(body: bytes) -> None:
    try:
        value = jsonio.loads_strict(body)
    except jsonio.JSONError as error:
        value, message = None, error.message
    else:
        message = ""
    # D-13: texts of the JSON language, no names of the implementation's.
    assert not [word for word in ("codec", "object at", "<class", "Traceback") if word in message]
    assert is_storable(value)
    assert jsonio.loads_strict(jsonio.dumps(value)) == value


NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?", fullmatch=True
)


@pytest.mark.slow
@pytest.mark.clause("D-11", "X-25")
@given(NUMBERS, st.sampled_from(["%s", "[%s]", '{"a":%s}', '{"a": [1,\t%s ]}']))
def test_any_number_is_exact_or_refused(number: str, template: str) -> None:
    def find(value: Any) -> Any:
        while isinstance(value, (list, dict)):
            value = value["a"] if isinstance(value, dict) else value[-1]
        return value

    try:
        value = find(jsonio.loads_strict((template % number).encode()))
    except jsonio.JSONError:
        return
    assert decimal.Decimal(repr(value)) == decimal.Decimal(number)


@pytest.mark.parametrize("text", ['{"a": 123456789012345678901234567890}', "[0.1, 1e22]", '"é"'])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_trusted_json_is_read_exactly(text: str, as_bytes: bool) -> None:
    assert jsonio.loads(text.encode() if as_bytes else text) == json.loads(text)


def test_trusted_json_that_is_none_is_the_standard_error() -> None:
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        jsonio.loads("nope")


# Out


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Unreadable:
    def __iter__(self) -> Any:
        raise RuntimeError("no items")

    def __str__(self) -> str:
        return "unreadable"


Pair = collections.namedtuple("Pair", "a b")

UTC = datetime.timezone.utc
IDENTIFIER = uuid.UUID(int=1)


@pytest.mark.clause("P-35.8", "P-26.24")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True, 1.5]}, '{"a":[1,null,true,1.5]}'),
        ("http://a/é", '"http://a/é"'),
        ((1, 2), "[1,2]"),
        (Pair(1, 2), "[1,2]"),
        ({1}, "[1]"),
        (frozenset(["a"]), '["a"]'),
        ({"a": 1}.keys(), '["a"]'),
        ({"a": 1}.values(), "[1]"),
        ({"a": 1}.items(), '[["a",1]]'),
        (range(2), "[0,1]"),
        (collections.deque([1]), "[1]"),
        (types.MappingProxyType({"a": 1}), '{"a":1}'),
        (collections.OrderedDict(a=1), '{"a":1}'),
        (datetime.date(2015, 1, 22), '"2015-01-22"'),
        (datetime.datetime(2015, 1, 22, 18, tzinfo=UTC), '"2015-01-22T18:00:00+00:00"'),
        (datetime.time(18, 30), '"18:30:00"'),
        (decimal.Decimal("1.5"), "1.5"),
        (decimal.Decimal("3"), "3"),
        (decimal.Decimal("18446744073709551615"), "18446744073709551615"),
        (decimal.Decimal("0.12345678901234567890123"), '"0.12345678901234567890123"'),
        (decimal.Decimal("1e400"), '"1E+400"'),
        (decimal.Decimal("NaN"), '"NaN"'),
        (decimal.Decimal("sNaN"), '"sNaN"'),
        (b"caf\xc3\xa9", '"café"'),
        (bytearray(b"a"), '"a"'),
        (memoryview(b"a"), '"a"'),
        (b"\xff", '"\ufffd"'),
        (Colour.RED, '"red"'),
        (IDENTIFIER, f'"{IDENTIFIER}"'),
        (Point(1), '{"x":1}'),
        (ValueError("text"), '"text"'),
        (1j, '"1j"'),
        (float("nan"), "null"),
        (float("inf"), "null"),
        ({7: 2, None: 3, True: 4}, '{"7":2,"null":3,"true":4}'),
        (Unprintable(), '"<Unprintable>"'),
        (Unreadable(), '"unreadable"'),
    ],
)
@pytest.mark.parametrize("beside", [None, 2**70], ids=["fast", "slow"])
def test_any_value_is_rendered(value: object, text: str, beside: int | None) -> None:
    assert jsonio.dumps([value, beside]) == f"[{text},{json.dumps(beside)}]".encode()


@pytest.mark.clause("P-35.8")
@pytest.mark.parametrize("beside", [None, 2**70])
def test_iterators_are_rendered_whole_even_when_rendering_starts_again(beside: int | None) -> None:
    squares = (n * n for n in range(3))

    assert json.loads(jsonio.dumps({"a": squares, "z": beside})) == {"a": [0, 1, 4], "z": beside}


@pytest.mark.clause("P-35.8", "D-11")
@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**30])
def test_integers_beyond_64_bits_are_rendered(value: int) -> None:
    assert json.loads(jsonio.dumps({"a": [value]})) == {"a": [value]}
    assert json.loads(jsonio.dumps({value: 1})) == {str(value): 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\ud800", '"\\ud800"'),
        ({"\ud800": 1}, '{"\\ud800":1}'),
        ({(1, 2): 3}, '{"(1, 2)":3}'),
        ({2**70: datetime.date(2015, 1, 22)}, '{"1180591620717411303424":"2015-01-22"}'),
        ([{1: 2, "a": None}, 2**70], '[{"1":2,"a":null},1180591620717411303424]'),
    ],
)
def test_what_orjson_refuses_is_rendered_as_valid_json(value: object, text: str) -> None:
    assert jsonio.dumps(value).decode() == text


def test_integer_with_more_digits_than_can_be_written_is_rendered() -> None:
    assert json.loads(jsonio.dumps([10**5000])) == [hex(10**5000)]


def test_value_that_contains_itself_is_rendered_as_text() -> None:
    value: list[Any] = []
    value.append(value)

    assert json.loads(jsonio.dumps(value)) == "[[...]]"


def test_value_nested_without_end_is_rendered() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]

    assert json.loads(jsonio.dumps(value)) == "<list>"


def test_default_function_comes_first_and_may_decline() -> None:
    def default(item: Any) -> Any:
        if isinstance(item, set):
            return sorted(item, reverse=True)
        raise TypeError

    assert jsonio.dumps([{1, 2}, 1j], default=default) == b'[[2,1],"1j"]'
    assert jsonio.dumps([{1, 2}, 2**70], default=default) == b"[[2,1],1180591620717411303424]"


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b'{"a": "aaaa"}', 13),
        # Without wide characters, everything counts.
        ('["éé"]'.encode(), 6),
        ('["€aa", "aaa"]'.encode(), 2 * 5 + 5 + 4),
        ('["😀aa", "aaa"]'.encode(), 4 * 5 + 5 + 4),
        (b'["\\u20ac", "aaa"]', 2 * 3 + 5 + 4),
        (b'["\\u00e9\\u00e9"]', 4 + 2),
        (b'["\\ud83d\\ude00"]', 4 * 4 + 2),
        (b'["\\\\u\\""]', 7 + 2),
        # Numbers count as they are, whatever the texts beside them.
        ('["😀", 0.125, null]'.encode(), 4 * 3 + 15),
    ],
)
def test_a_text_takes_the_memory_of_its_widest_character(body: bytes, size: int) -> None:
    assert jsonio.memory_bytes(body) == size


@pytest.mark.clause("X-34")
def test_bodies_take_together_what_they_take_one_by_one() -> None:
    bodies = [
        b'{"a":1.5}',
        '{"é":"é"}'.encode(),
        '["€",12]'.encode(),
        b'["\\u00e9",[]]',
        '"😀"'.encode(),
    ]
    for first in bodies:
        for second in bodies:
            together = jsonio.memory_bytes(first) + jsonio.memory_bytes(second)
            assert jsonio.memory_bytes(first + second) == together


@pytest.mark.clause("X-34")
def test_texts_that_take_more_memory_than_there_may_be_are_refused() -> None:
    assert jsonio.loads_strict('["😀aaaaa"]'.encode(), max_memory_bytes=32) == ["😀aaaaa"]
    with pytest.raises(jsonio.JSONError, match="more than 31 bytes of memory"):
        jsonio.loads_strict('["😀aaaaa"]'.encode(), max_memory_bytes=31)
    # Its numbers are no texts.
    assert jsonio.loads_strict('["😀aaaaa", 1.25]'.encode(), max_memory_bytes=32) == [
        "😀aaaaa",
        1.25,
    ]
    # One that is only long is judged elsewhere.
    assert jsonio.loads_strict(b'["aaaaa"]', max_memory_bytes=5) == ["aaaaa"]


@pytest.mark.clause("X-34")
def test_more_texts_than_values_and_their_names_are_refused() -> None:
    """Each text would be looked at, although no parser accepts texts beside each other."""
    refusal = r"^More than 2 values \(setting max_body_bytes\)$"
    for body in (b'"a"' * 5, '"é"'.encode() * 5, b'{"a" "b" "c" "d" "e"'):
        with pytest.raises(jsonio.JSONError, match=refusal):
            jsonio.loads_strict(body, max_values=2, max_memory_bytes=1)

    assert jsonio.loads_strict(b'{"a":"b"}', max_values=2) == {"a": "b"}
    assert jsonio.loads_strict(b'{"a":{"b":"c"}}', max_values=3) == {"a": {"b": "c"}}
    quotes = '"' * 9
    assert jsonio.loads_strict(jsonio.dumps([quotes]), max_values=2) == [quotes]


@pytest.mark.clause("X-34")
def test_nothing_is_counted_where_more_is_closed_than_opened() -> None:
    array = b"[" + b",".join([b"[]"] * 101) + b"]"
    place = f"line 1 column {len(array) + 1} (char {len(array)})"
    for rest in (b"]" * 1000, b"}" + b"[" * 1000, b"]" + b"[]," * 1000):
        with pytest.raises(jsonio.JSONError, match=re.escape(f"Extra data: {place}")):
            jsonio.loads_strict(array + rest, max_values=500)


# Copies


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_copy_is_what_reading_the_written_value_gives(value: object) -> None:
    try:
        copied = jsonio.copied(value)
    except TypeError:
        assert not all(map(math.isfinite, floats_of(value)))
        return
    written = jsonio.dumps(copied)
    assert written == jsonio.dumps(value)
    assert jsonio.loads(written) == copied


def floats_of(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in floats_of(item)]
    return [value] if isinstance(value, float) else []


def test_a_copy_shares_texts_but_no_containers() -> None:
    value = {"a": [{"b": "c" * 1000}]}

    copied = jsonio.copied(value)

    assert copied["a"] is not value["a"]
    assert copied["a"][0] is not value["a"][0]
    assert copied["a"][0]["b"] is value["a"][0]["b"]


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        decimal.Decimal(1),
        {1: 2},
        (1,),
        iter([1]),
        datetime.date(2020, 1, 1),
        collections.OrderedDict(),
        {"a": [b"b"]},
    ],
)
def test_what_is_converted_is_not_copied(value: object) -> None:
    with pytest.raises(TypeError):
        jsonio.copied(value)


def test_a_text_within_another_value_is_kept_beside_what_few_can_write() -> None:
    text = orjson.Fragment(b'{"a":[1.5,36893488147419103232]}')

    assert jsonio.dumps([text, 2**65]) == b'[{"a":[1.5,36893488147419103232]},36893488147419103232]'
