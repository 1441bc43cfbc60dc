"""Conditional requests: the table of H-10.6, and the reading of both headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.resource.preconditions import (
    ANY,
    State,
    Subject,
    Verdict,
    is_modified_meanwhile,
    is_not_modified,
    judge,
    parse_if_match,
    parse_if_none_match,
)
from cliquet.resource.querystring import InvalidParameter

CURRENT = 1000
OK, NOT_MODIFIED, MODIFIED = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.MODIFIED_MEANWHILE


def record_subject(**members: object) -> Subject:
    record = {"id": "a", "last_modified": CURRENT, **members}
    return Subject.record(record, modified_field="last_modified", deleted_field="deleted")


COLLECTION = Subject.collection(lambda: CURRENT)
LIVE = record_subject(n=1)
TOMBSTONE = record_subject(deleted=True)
ABSENT = Subject.absent()

# One line per row of H-10.6. "Unknown id" on GET, PATCH and DELETE is 404 before any of this.
# After the subject and "is safe", one verdict per pair of headers of COLUMNS.
TABLE = {
    "GET collection": (COLLECTION, True, OK, OK, MODIFIED, NOT_MODIFIED, NOT_MODIFIED, OK, OK),
    "GET record": (LIVE, True, OK, OK, MODIFIED, NOT_MODIFIED, NOT_MODIFIED, OK, MODIFIED),
    "POST new": (COLLECTION, False, OK, OK, MODIFIED, OK, OK, OK, OK),
    "POST existing": (LIVE, False, OK, OK, MODIFIED, OK, OK, OK, MODIFIED),
    "PUT live": (LIVE, False, OK, OK, MODIFIED, OK, OK, OK, MODIFIED),
    "PUT tombstone": (TOMBSTONE, False, OK, OK, MODIFIED, OK, OK, OK, OK),
    "PUT never used": (ABSENT, False, MODIFIED, MODIFIED, MODIFIED, OK, OK, OK, OK),
    "PATCH record": (LIVE, False, OK, OK, MODIFIED, OK, OK, OK, MODIFIED),
    "DELETE record": (LIVE, False, OK, OK, MODIFIED, OK, OK, OK, MODIFIED),
    "DELETE collection": (COLLECTION, False, OK, OK, MODIFIED, OK, OK, OK, OK),
}
COLUMNS = [
    ('"1000"', None),
    ('"1001"', None),
    ('"999"', None),
    (None, '"1000"'),
    (None, '"1001"'),
    (None, '"999"'),
    (None, "*"),
]


@pytest.mark.clause("H-10.2", "H-10.3", "H-10.6", "X-1", "X-2", "D-63", "D-64", "D-72")
@pytest.mark.parametrize("row", TABLE)
@pytest.mark.parametrize("column", range(len(COLUMNS)), ids=str)
def test_whole_table(row: str, column: int) -> None:
    subject, is_safe, *expected = TABLE[row]
    if_match, if_none_match = COLUMNS[column]

    verdict = judge(subject, is_safe=is_safe, if_match=if_match, if_none_match=if_none_match)

    assert verdict is expected[column]


@pytest.mark.clause("H-10.1")
@pytest.mark.parametrize("row", TABLE)
@pytest.mark.parametrize("empty", [None, " \t"])
def test_no_condition_lets_every_request_through(row: str, empty: str | None) -> None:
    subject, is_safe, *_ = TABLE[row]

    assert judge(subject, is_safe=is_safe, if_match=empty, if_none_match=empty) is OK


@pytest.mark.clause("X-14")
@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ("GET collection", OK),
        ("DELETE collection", OK),
        ("POST new", OK),
        ("GET record", OK),
        ("PUT live", OK),
        ("PATCH record", OK),
        ("DELETE record", OK),
        ("PUT tombstone", MODIFIED),
        ("PUT never used", MODIFIED),
    ],
)
def test_if_match_any_holds_when_the_record_exists(row: str, verdict: Verdict) -> None:
    subject, is_safe, *_ = TABLE[row]

    assert judge(subject, is_safe=is_safe, if_match="*", if_none_match=None) is verdict


@pytest.mark.clause("H-10.7")
@pytest.mark.parametrize("subject", [COLLECTION, LIVE])
@pytest.mark.parametrize("if_match", ['"1"', "abc"])
def test_304_wins_over_412(subject: Subject, if_match: str) -> None:
    verdict = judge(subject, is_safe=True, if_match=if_match, if_none_match='"1000"')

    assert verdict is NOT_MODIFIED


@pytest.mark.clause("H-10.7")
@pytest.mark.parametrize("is_safe", [True, False])
@pytest.mark.parametrize("if_match", ['"1000"', "*", "abc"])
def test_if_none_match_any_on_a_live_record_wins_over_if_match(
    if_match: str, is_safe: bool
) -> None:
    assert judge(LIVE, is_safe=is_safe, if_match=if_match, if_none_match="*") is MODIFIED


@pytest.mark.clause("H-10.7", "D-64")
@pytest.mark.parametrize("if_match", ['"1"', "*", "abc"])
def test_if_none_match_any_over_a_tombstone_succeeds_whatever_if_match(if_match: str) -> None:
    assert judge(TOMBSTONE, is_safe=False, if_match=if_match, if_none_match="*") is OK


@pytest.mark.clause("X-2")
def test_if_match_fails_on_a_record_that_never_was_even_with_if_none_match_any() -> None:
    assert judge(ABSENT, is_safe=False, if_match='"1000"', if_none_match="*") is MODIFIED


@pytest.mark.clause("H-10.6")
def test_if_none_match_any_has_no_effect_on_a_collection() -> None:
    verdict = judge(COLLECTION, is_safe=False, if_match='"1"', if_none_match="*")

    assert verdict is MODIFIED


MALFORMED = [
    "abc",
    "1000",
    '"1000',
    '1000"',
    '"abc"',
    '"*"',
    'W/"1000"',
    '"1000", "1001"',
    "*, *",
    "**",
    '"-1"',
    '"+1"',
    '"1.5"',
    '""',
    '"01"',
    '" 1"',
    "'1000'",
    '"\u0661"',
    '"\u00b2"',
    '"1"\n',
    '"true"',
    '"9007199254740992"',
    '"' + "9" * 5000 + '"',
]


@pytest.mark.clause("H-10.4", "X-14", "X-21", "D-4")
@pytest.mark.parametrize(
    ("row", "header"),
    [*(("GET record", header) for header in MALFORMED), *((row, "abc") for row in TABLE)],
)
def test_malformed_if_match_is_refused(row: str, header: str) -> None:
    subject, is_safe, *_ = TABLE[row]

    with pytest.raises(InvalidParameter) as caught:
        judge(subject, is_safe=is_safe, if_match=header, if_none_match=None)

    error = caught.value
    assert (error.location, error.name, error.description) == (
        "headers",
        None,
        "Invalid value for If-Match. The value should be integer between double quotes.",
    )


@pytest.mark.clause("H-10.5", "X-21")
@pytest.mark.parametrize("header", MALFORMED)
def test_malformed_if_none_match_is_refused_on_safe_methods(header: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        judge(LIVE, is_safe=True, if_match=None, if_none_match=header)

    error = caught.value
    assert (error.location, error.name, error.description) == (
        "headers",
        None,
        "Invalid value for If-None-Match",
    )


@pytest.mark.clause("H-10.5")
@pytest.mark.parametrize("header", MALFORMED)
def test_malformed_if_none_match_is_ignored_on_other_methods(header: str) -> None:
    assert judge(LIVE, is_safe=False, if_match=None, if_none_match=header) is OK


@pytest.mark.clause("H-10.1", "H-10.5", "X-14")
def test_headers_are_read() -> None:
    assert parse_if_match('"12"') == 12
    assert parse_if_match(' "0"\t') == 0
    assert parse_if_match("*") is ANY
    assert parse_if_match(None) is None
    assert parse_if_none_match('"12"', is_safe=True) == 12
    assert parse_if_none_match("*", is_safe=True) is ANY
    assert parse_if_none_match('"12"', is_safe=False) is None
    assert parse_if_none_match("*", is_safe=False) is ANY


@pytest.mark.clause("X-21")
def test_last_instant_is_accepted() -> None:
    assert parse_if_match('"253402300799999"') == 253402300799999


def test_collection_timestamp_is_read_only_when_a_condition_needs_it() -> None:
    reads = []

    def read() -> int:
        reads.append(1)
        return CURRENT

    subject = Subject.collection(read)

    assert not is_modified_meanwhile(subject, if_match=None, if_none_match="*")
    assert not is_modified_meanwhile(subject, if_match="*", if_none_match='"1"')
    assert not is_not_modified(subject.read_timestamp, None)
    assert not is_not_modified(subject.read_timestamp, "*")
    assert reads == []
    assert is_modified_meanwhile(subject, if_match='"1"', if_none_match=None)
    assert reads == [1]


@pytest.mark.clause("B-1.4")
def test_tombstone_is_told_by_its_mark() -> None:
    assert TOMBSTONE.state is State.TOMBSTONE
    assert LIVE.state is State.LIVE
    assert record_subject(deleted=False).state is State.LIVE
    assert record_subject(deleted="true").state is State.LIVE


def test_absent_record_is_never_unmodified() -> None:
    assert not is_not_modified(ABSENT.read_timestamp, '"1000"')


headers = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=())),
    st.text(alphabet='"*W/, 0123456789', max_size=20),
    st.integers().map(lambda value: f'"{value}"'),
)


@given(st.sampled_from([COLLECTION, LIVE, TOMBSTONE, ABSENT]), st.booleans(), headers, headers)
def test_any_header_is_judged_or_refused(
    subject: Subject, is_safe: bool, if_match: str | None, if_none_match: str | None
) -> None:
    try:
        verdict = judge(subject, is_safe=is_safe, if_match=if_match, if_none_match=if_none_match)
    except InvalidParameter:
        return
    assert is_safe or verdict is not NOT_MODIFIED
