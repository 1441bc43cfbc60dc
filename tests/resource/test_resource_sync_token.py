"""The tokens of clients that synchronise (E-11.4)."""

import re

import pytest

from cliquet.resource import sync_token
from cliquet.resource.sync_token import MAX_SYNC_TOKEN_BYTES, Place, SyncToken, digest
from cliquet.storage.timestamps import MAX_TIMESTAMP

TOKEN = SyncToken(1_795_947_153_106, "a6c48c33", digest(["view"]), digest(["a", "b"]))


@pytest.mark.clause("E-11.4")
@pytest.mark.parametrize(
    "token",
    [
        TOKEN,
        TOKEN._replace(position=0, epoch=""),
        TOKEN._replace(position=MAX_TIMESTAMP, epoch="é" * 32),
        TOKEN._replace(place=Place(0, "")),
        TOKEN._replace(place=Place(MAX_TIMESTAMP, "é/🍄"), is_start=True),
    ],
)
def test_a_token_is_read_as_it_was_written(token: SyncToken) -> None:
    text = token.encode()

    assert SyncToken.decode(text) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert len(text) <= MAX_SYNC_TOKEN_BYTES == 512


@pytest.mark.clause("E-11.4")
@pytest.mark.parametrize(
    "text",
    ["", "0", "A", "AAAA", "é", "a" * 10_000, "AAAA====", "\n", " ", "\ud800"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        SyncToken.decode(text)


@pytest.mark.clause("E-11.4")
def test_a_token_that_was_changed_is_refused() -> None:
    text = TOKEN._replace(place=Place(1, "id")).encode()

    for place, character in enumerate(text):
        changed = text[:place] + ("A" if character != "A" else "B") + text[place + 1 :]
        with pytest.raises(ValueError, match=r"\w"):
            SyncToken.decode(changed)
        with pytest.raises(ValueError, match=r"\w"):
            SyncToken.decode(text[:place])


@pytest.mark.clause("E-11.4")
def test_a_timestamp_that_no_service_has_is_refused() -> None:
    for token in (
        TOKEN._replace(position=MAX_TIMESTAMP + 1),
        TOKEN._replace(place=Place(MAX_TIMESTAMP + 1, "")),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            SyncToken.decode(token.encode())


@pytest.mark.clause("E-11.4")
def test_an_epoch_without_end_makes_no_token() -> None:
    with pytest.raises(ValueError, match=r"\w"):
        TOKEN._replace(epoch="0" * 65).encode()


@pytest.mark.clause("E-11.4")
def test_texts_are_not_run_together() -> None:
    assert digest(["a", "b"]) != digest(["ab"]) != digest(["b", "a"])


@pytest.mark.clause("E-11.4")
@pytest.mark.parametrize(
    "content",
    [b"\x09" + b"\0" * 33, b"\x02" + b"\0" * 33 + b"short", b"\x01" + b"\0" * 32 + b"\x08"],
)
def test_a_forged_token_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        SyncToken.decode(sync_token._text(sync_token._check(content) + content))
