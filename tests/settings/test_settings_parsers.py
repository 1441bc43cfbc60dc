"""The types of settings, each with what it accepts and refuses."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.settings import Parser, Setting, SettingError, parsers

UTC = datetime.timezone.utc


def refuse(parser: Parser, value: Any) -> None:
    """Parse through a row, which gives the refusal its words."""
    Setting("thing", parser, None, "A thing.").value(value)


@pytest.mark.clause("S-2.3")
@pytest.mark.parametrize("value", [True, "true", "True", "t", "yes", "y", "on", "1", 1, " TRUE "])
def test_boolean_is_true(value: int | str) -> None:
    assert parsers.Boolean()(value) is True


@pytest.mark.clause("S-2.3")
@pytest.mark.parametrize(
    "value", [False, None, "", "0", 0, "off", "no", "n", "false", "F", "None", " OFF "]
)
def test_boolean_is_false(value: int | str | None) -> None:
    assert parsers.Boolean()(value) is False


@pytest.mark.clause("S-2.3")
@pytest.mark.parametrize("value", ["tru", "flase", "2", 2, "enabled", "of", [], 0.5])
def test_what_is_no_boolean_is_refused(value: float | list[Any] | str) -> None:
    with pytest.raises(SettingError, match="allowed: true or false"):
        refuse(parsers.Boolean(), value)


@pytest.mark.parametrize(("value", "parsed"), [("10", 10), (" 7 ", 7), ("+3", 3), (3.0, 3), (0, 0)])
def test_integer_accepts_text_and_numbers(value: float | str, parsed: int) -> None:
    result = parsers.Integer()(value)

    assert result == parsed
    assert type(result) is int


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "x",
        "1.5",
        1.5,
        True,
        "1_0",
        "٣",
        "-1",
        -1,
        float("nan"),
        float("inf"),
        [],
        "1" * 20,
    ],
)
def test_integer_refuses(value: object) -> None:
    with pytest.raises(SettingError, match="allowed"):
        refuse(parsers.Integer(), value)


@pytest.mark.clause("S-9.2")
@pytest.mark.parametrize("value", [None, "", " ", False, "off", "None"])
def test_optional_integer_takes_nothing_for_none(value: bool | str | None) -> None:
    assert parsers.Integer(optional=True)(value) is None


@pytest.mark.clause("E-23.1")
def test_a_number_between_two_bounds_names_both() -> None:
    parse = parsers.Integer(minimum=1, maximum=64)

    assert [parse("1"), parse(64)] == [1, 64]
    for value in ("0", 65, "many"):
        with pytest.raises(SettingError, match="allowed: a whole number from 1 to 64"):
            refuse(parse, value)


@pytest.mark.clause("S-6.1", "S-6.2", "S-9.2", "S-10.2")
def test_zero_may_mean_nothing() -> None:
    parse = parsers.Integer(optional=True, zero_is_none=True)

    assert [parse(0), parse("0"), parse("1")] == [None, None, 1]


@pytest.mark.clause("B-21.33")
def test_zero_may_be_a_value_distinct_from_nothing() -> None:
    parse = parsers.Integer(optional=True)

    assert [parse("0"), parse("")] == [0, None]


@pytest.mark.clause("S-8.2")
def test_backoff_takes_any_value() -> None:
    parse = parsers.Integer(optional=True, any_text=True)

    assert [parse("0"), parse(0), parse("30"), parse("a while"), parse(-3)] == [
        0,
        0,
        30,
        "a while",
        -3,
    ]
    assert parse(None) is None


@pytest.mark.parametrize(("value", "parsed"), [("10", 10), (0.5, 0.5), ("2.5", 2.5), (3, 3)])
def test_number_accepts_decimals(value: float | str, parsed: float) -> None:
    assert parsers.Number()(value) == parsed


@pytest.mark.parametrize(
    "value",
    [None, "", "x", 0, "0", -1, True, float("nan"), float("inf"), "1e5", [], 2_147_484, "9" * 19],
)
def test_number_refuses(value: object) -> None:
    with pytest.raises(SettingError, match="allowed"):
        refuse(parsers.Number(), value)


@pytest.mark.clause("S-23.5", "D-46")
def test_text_stays_text_and_numbers_become_text() -> None:
    parse = parsers.Text()

    assert [parse("1.10"), parse(123456), parse(None), parse("off")] == [
        "1.10",
        "123456",
        "",
        "off",
    ]


def test_optional_text_is_none_when_empty() -> None:
    parse = parsers.Text(optional=True)

    assert [parse(""), parse(None), parse("no")] == [None, None, "no"]


@pytest.mark.clause("P-2.12")
@pytest.mark.parametrize("value", [False, None, "", "false", "off", "No"])
def test_location_is_switched_off(value: bool | str | None) -> None:
    assert parsers.Text(optional=True, switchable=True)(value) is None
    assert parsers.Text(switchable=True)(value) == ""


@pytest.mark.clause("S-11.1", "S-11.2")
def test_reference_is_a_name_or_the_object_itself() -> None:
    parse = parsers.Reference()

    assert [parse(" a.b "), parse(None), parse(False), parse(parsers)] == ["a.b", "", "", parsers]


@pytest.mark.clause("S-2.4", "S-5.2")
def test_list_splits_on_white_space_only() -> None:
    assert parsers.List()("a,b\n  c\td\n") == ("a,b", "c", "d")


@pytest.mark.clause("S-2.4", "P-35.18")
@pytest.mark.parametrize(
    "value", [["a", "b"], ("a", "b"), iter(["a", "b"]), {"a": 1, "b": 2}.keys()]
)
def test_list_passes_sequences_through(value: object) -> None:
    assert parsers.List()(value) == ("a", "b")


@pytest.mark.parametrize("value", [None, False, "", " \n", [], ()])
def test_list_is_empty(value: object) -> None:
    assert parsers.List()(value) == ()


@pytest.mark.clause("S-2.2")
def test_list_of_one_item_that_looked_like_a_number_is_that_text() -> None:
    assert parsers.List()(10) == ("10",)


@pytest.mark.parametrize("value", [True, {"a": 1}, b"a b", object()])
def test_list_refuses(value: object) -> None:
    with pytest.raises(SettingError, match="allowed"):
        refuse(parsers.List(), value)


@pytest.mark.clause("D-45", "X-7", "S-17.4", "S-23.12")
@pytest.mark.parametrize(
    "value", ["a,b:c", "a, b:c", "a b:c", "a\nb:c\n", " a ,\n b:c, ", ["a", "b:c"]]
)
def test_principals_are_separated_by_commas_and_white_space(value: list[str] | str) -> None:
    assert parsers.List(commas=True)(value) == ("a", "b:c")


@pytest.mark.clause("D-44", "S-8.6", "S-23.9")
@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2015-01-22", datetime.datetime(2015, 1, 22, tzinfo=UTC)),
        ("2069-12-25", datetime.datetime(2069, 12, 25, tzinfo=UTC)),
        ("20150122", datetime.datetime(2015, 1, 22, tzinfo=UTC)),
        (" 2015-01-22T18:30:00 ", datetime.datetime(2015, 1, 22, 18, 30, tzinfo=UTC)),
        ("2015-01-22 18:30", datetime.datetime(2015, 1, 22, 18, 30, tzinfo=UTC)),
        ("2015-01-22T18:30:00Z", datetime.datetime(2015, 1, 22, 18, 30, tzinfo=UTC)),
        ("2015-01-22T18:30:00+02:00", datetime.datetime(2015, 1, 22, 16, 30, tzinfo=UTC)),
        (datetime.date(2015, 1, 22), datetime.datetime(2015, 1, 22, tzinfo=UTC)),
        (datetime.datetime(2015, 1, 22), datetime.datetime(2015, 1, 22, tzinfo=UTC)),
        (
            datetime.datetime(2015, 1, 22, tzinfo=UTC),
            datetime.datetime(2015, 1, 22, tzinfo=UTC),
        ),
    ],
)
def test_date_is_a_moment_with_zone(value: object, moment: datetime.datetime) -> None:
    parsed = parsers.Date()(value)

    assert parsed == moment
    assert parsed is not None
    assert parsed.tzinfo is not None


@pytest.mark.clause("S-8.6")
@pytest.mark.parametrize("value", [None, "", False, "off", " "])
def test_date_may_be_absent(value: bool | str | None) -> None:
    assert parsers.Date()(value) is None


@pytest.mark.clause("D-44", "S-23.8")
@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "2015",
        2015,
        "2015-13-01",
        "2015-02-30",
        "22/01/2015",
        "2015-01-22 or so",
        "1-1",
        True,
    ],
)
def test_date_refuses_garbage(value: int | str) -> None:
    with pytest.raises(SettingError, match="allowed"):
        refuse(parsers.Date(), value)


@given(
    value=st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())
    ),
    parse=st.sampled_from(
        [
            parsers.Anything(),
            parsers.Boolean(),
            parsers.Integer(),
            parsers.Integer(optional=True, zero_is_none=True),
            parsers.Integer(optional=True, any_text=True),
            parsers.Number(),
            parsers.Text(),
            parsers.Text(optional=True, switchable=True),
            parsers.Reference(),
            parsers.List(),
            parsers.List(commas=True),
            parsers.Date(),
        ]
    ),
)
def test_parsers_refuse_with_value_error_alone_and_are_idempotent(
    value: Any, parse: Callable[[Any], Any]
) -> None:
    try:
        parsed = parse(value)
    except ValueError:
        return
    assert parse(parsed) == parsed or parsed != parsed


@pytest.mark.clause("S-22")
@pytest.mark.parametrize("value", [None, "", " ", "off", False, "0", 0, "0.0"])
def test_an_optional_number_may_be_nothing(value: int | str | None) -> None:
    parse = parsers.Number(optional=True)

    assert parse(value) is None
    assert parse("0.5") == 0.5
    assert parse.allowed == "a number greater than 0, up to 2147483, or nothing"
