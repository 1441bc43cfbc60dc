"""Copies of collections end with the test that made them."""

from collections.abc import Iterator
from typing import Any

import pytest

from cliquet.client import Replica


@pytest.fixture(autouse=True)
def closed_replicas() -> Iterator[None]:
    """Close the files of a test, which Python 3.13 warns of otherwise."""
    opened: list[Replica] = []
    begin = Replica.__init__

    def remembered(self: Replica, path: Any) -> None:
        opened.append(self)
        begin(self, path)

    # It is no patch of the test, for which an application would be made.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Replica, "__init__", remembered)
        yield
    for replica in opened:
        replica.close()
