"""Pages as the text of the database: what their numbers look like, and how they travel."""

from pathlib import Path
from typing import Any

import pytest
from support.configured import loading

from cliquet.core import jsonio
from cliquet.storage import postgresql, sqlite
from cliquet.storage.page_text import PageText, is_told_as_it_is
from cliquet.testing.storage.common import HOME, create

make_storage = loading(postgresql, "storage")
make_sqlite = loading(sqlite, "storage")


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


def test_a_page_of_sqlite_is_told_as_it_was_written_whatever_its_numbers_are(
    tmp_path: Path,
) -> None:
    storage: Any = make_sqlite(f"sqlite:///{tmp_path}/data.db")
    storage.initialize_schema()
    record = {"a": 2**63 - 1, "b": 1e30, "c": 0.1 + 0.2, "d": "1234567890123456"}
    create(storage, **record)

    page, _ = storage.get_all(**HOME, limit=2, as_text=True)

    assert isinstance(page, PageText)
    text, _ = page.cut(1)
    assert text == jsonio.dumps(storage.get_all(**HOME)[0])[1:-1]
    storage.client.dispose()
