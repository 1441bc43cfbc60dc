"""Response headers: entity tags, dates, caching."""

from __future__ import annotations

import locale

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet import utils
from cliquet.resource import headers
from cliquet.resource.preconditions import parse_if_match
from cliquet.resource.querystring import MAX_TIMESTAMP


@pytest.mark.clause("H-9.5")
def test_etag_is_the_timestamp_between_quotes() -> None:
    assert headers.etag(1430222877724) == '"1430222877724"'


@pytest.mark.clause("X-21")
@given(st.integers(0, MAX_TIMESTAMP))
def test_etag_is_accepted_back(timestamp: int) -> None:
    assert parse_if_match(headers.etag(timestamp)) == timestamp


@pytest.mark.clause("H-9.6", "D-4")
@pytest.mark.parametrize(
    ("timestamp", "date"),
    [
        (1430222877724, "Tue, 28 Apr 2015 12:07:57 GMT"),
        (1430222877999, "Tue, 28 Apr 2015 12:07:57 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (MAX_TIMESTAMP, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (MAX_TIMESTAMP + 1, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (2**64, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_date_is_floored_to_the_second_and_never_fails(timestamp: int, date: str) -> None:
    assert headers.http_date(timestamp) == date


@pytest.mark.clause("H-9.6")
def test_date_is_english_whatever_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    for name in ("fr_FR.UTF-8", "de_DE.UTF-8", "es_ES.UTF-8"):
        try:
            locale.setlocale(locale.LC_TIME, name)
        except locale.Error:
            continue
        break
    else:
        pytest.skip("this machine has no locale other than English")
    try:
        assert headers.http_date(1430222877724) == "Tue, 28 Apr 2015 12:07:57 GMT"
    finally:
        locale.setlocale(locale.LC_TIME, before)


@pytest.mark.clause("H-9.7")
def test_both_validators_speak_of_the_same_instant() -> None:
    response: dict[str, str] = {}

    response.update(headers.of_timestamp(1430222877724))

    assert response["ETag"] == '"1430222877724"'
    assert response["Last-Modified"] == "Tue, 28 Apr 2015 12:07:57 GMT"


@pytest.mark.clause("H-30.1", "H-30.3", "H-30.4", "D-69", "S-10.2")
@pytest.mark.parametrize(
    ("expires_seconds", "is_private", "value"),
    [
        (None, False, "no-cache"),
        (0, False, "no-cache"),
        (-1, False, "no-cache"),
        (None, True, "private, no-cache"),
        (0, True, "private, no-cache"),
        (3600, True, "private, no-cache"),
    ],
)
def test_answer_is_not_cached_when_private_or_not_asked_for(
    expires_seconds: int | None, is_private: bool, value: str
) -> None:
    assert headers.cache_control(expires_seconds, is_private) == [("Cache-Control", value)]


@pytest.mark.clause("H-30.2", "S-10.1")
def test_anonymous_answer_lives_as_long_as_the_setting_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(utils, "msec_time", lambda: 1430222877724)
    response: dict[str, str] = {}

    response.update(headers.cache_control(3600, is_private=False))

    assert response["Cache-Control"] == "max-age=3600"
    assert response["Expires"] == "Tue, 28 Apr 2015 13:07:57 GMT"


@pytest.mark.clause("H-30.1")
def test_private_answer_has_no_expiry() -> None:
    response: dict[str, str] = {}

    response.update(headers.cache_control(3600, is_private=True))

    assert response["Cache-Control"] == "private, no-cache"
    assert "Expires" not in response


def test_huge_lifetime_ends_with_the_calendar() -> None:
    pairs = dict(headers.cache_control(10**15, is_private=False))

    assert pairs["Expires"] == "Fri, 31 Dec 9999 23:59:59 GMT"


@pytest.mark.clause("H-11.2", "H-11.3", "H-14.5")
def test_listing_headers_are_text() -> None:
    response = dict(headers.of_total(12))

    headers.add_next_page(response, "http://localhost/v0/mushrooms?_limit=2")

    assert response["Total-Records"] == "12"
    assert response["Next-Page"] == "http://localhost/v0/mushrooms?_limit=2"
