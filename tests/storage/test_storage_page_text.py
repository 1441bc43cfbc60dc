"""Pages as the text of the database: what their numbers look like, and how they travel."""

from typing import Any

import pytest
from support.configured import loading

from cliquet.storage import postgresql
from cliquet.storage.page_text import PageText, is_told_as_it_is
from cliquet.testing.storage.common import HOME, create

make_storage = loading(postgresql, "storage")


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("digits", [13, 15, 16, 17, 31])
@pytest.mark.parametrize("digit", "05")
def test_numbers_of_more_than_15_digits_are_found_wherever_they_stand(
    before: int, digits: int, digit: str
) -> None:
    text = b'{%b"at":%b}' % (b" " * before, digit.encode() * digits)
    assert is_told_as_it_is(text) == (digits < 16)


@pytest.mark.parametrize("text", [b"", b'{"a":"0-0-0-0-0-0-0-0-0-0-0-0-0"}', b"1.00000e-30"])
def test_texts_without_long_numbers_are_told_as_they_are(text: bytes) -> None:
    assert is_told_as_it_is(text)


@pytest.mark.parametrize("encoding", ["utf8", "latin1"])
def test_a_page_is_the_same_whatever_the_encoding_of_the_connection(
    postgresql_url: str, encoding: str
) -> None:
    storage: Any = make_storage(f"{postgresql_url}?client_encoding={encoding}")
    storage.initialize_schema()
    create(storage, name="Ard\u00e8che")
    page, total = storage.get_all(**HOME, limit=2, as_text=True)
    assert isinstance(page, PageText)
    assert [record["name"] for record in page.parsed()] == ["Ard\u00e8che"]
    assert total == 1
    storage.client.dispose()
