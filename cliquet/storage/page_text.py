"""A page of a list as a text, for answers that show it as it is.

The bundled storages return it to those who ask for it, and only the library does. A list whose
records nobody looks at is then not copied, and what a database gives is neither parsed nor written
again.
"""

from __future__ import annotations

from typing import Final

import orjson

from cliquet.storage.base import Page
from cliquet.types import Record

__all__ = ["BETWEEN_RECORDS", "GivenText", "PageText", "is_told_as_it_is"]

BETWEEN_RECORDS: Final = ",\n"
"""What is between the records of a page in one text.

Neither database writes line ends into JSON, so that it is no part of a record.
"""

_BETWEEN: Final = BETWEEN_RECORDS.encode()


# Every digit becomes `0`, so that a long number is a run of zeros.
_ANY_DIGIT: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER: Final = b"0" * 16
# Among every second byte of the text, a number with 16 digits has eight, and a timestamp seven at
# most. Most texts are found to be without long numbers in half of the time.
_HALF_OF_LONG_NUMBER: Final = b"0" * 8


def is_told_as_it_is(text: bytes) -> bool:
    """Return whether all numbers of a text have a form that the library itself may write.

    PostgreSQL writes 1e30 with all its digits. Such an integer is refused in a body, but what a
    client is told it must be able to send back.
    """
    return _HALF_OF_LONG_NUMBER not in text[::2].translate(
        _ANY_DIGIT
    ) or _LONG_NUMBER not in text.translate(_ANY_DIGIT)


class PageText(Page):
    """A page whose records become a text, while the list itself is empty.

    Parameters
    ----------
    number : number of the records.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def parsed(self) -> list[Record]:
        """Return the records."""
        raise NotImplementedError

    def cut(self, limit: int) -> tuple[bytes, Record | None]:
        """Return the text of the first records, and the last of them if there is one more.

        Parameters
        ----------
        limit : number of records that are wanted; the page has one more at most.
        """
        raise NotImplementedError


class GivenText(PageText):
    """The page as the text that a database gave.

    Parameters
    ----------
    text : the JSON of the records, with :data:`BETWEEN_RECORDS` between them.
    """

    def __init__(self, text: bytes, number: int) -> None:
        super().__init__(number)
        self.text = text

    def parsed(self) -> list[Record]:
        records: list[Record] = orjson.loads(b"[%b]" % self.text)
        return records

    def cut(self, limit: int) -> tuple[bytes, Record | None]:
        if self.number <= limit:
            return self.text, None
        text, _, _ = self.text.rpartition(_BETWEEN)
        _, _, last = text.rpartition(_BETWEEN)
        record: Record = orjson.loads(last)
        return text, record
