"""Lists of shared records whose search and whose page are read in several ways (H-9.8)."""

from typing import Any

import pytest

from cliquet import resource
from cliquet.testing.web import basic_auth
from support.combinations import COMBINATIONS, TOGETHER, name_of
from support.sharing import BODY, Amanita

OWNER = basic_auth("owner")
READER = basic_auth("reader")
CAPS = "/v0/forests/elm/caps"

# All ways are taken with each pair of backends; the first ones have both in one transaction.
PAIRS = [
    pytest.param(pair, id=name_of(pair), marks=() if pair in TOGETHER else pytest.mark.slow)
    for pair in COMBINATIONS
]


class Clocked(resource.ShareableResource):
    """Has a timestamp of its own."""

    mapping = Amanita.mapping

    @property
    def timestamp(self) -> int:
        return super().timestamp


class Replaced(resource.ShareableResource):
    """Has filters of its own, which are lists of ids."""

    mapping = Amanita.mapping

    def _extract_filters(self, queryparams: Any = None) -> Any:
        return super()._extract_filters(queryparams)


def create(app: Any, url: str, *readers: str) -> str:
    body = {**BODY, "permissions": {"read": list(readers)}}
    created: str = app.post_json(url, body, headers=OWNER, status=201).json["data"]["id"]
    return created
