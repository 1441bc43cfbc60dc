"""The application of the oracle: one resource, whose records are shared one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webtest import TestApp

from cliquet.resource import ResourceSchema, ShareableResource
from cliquet.testing.web import make_app

__all__ = ["COLLECTION", "URI", "URL", "Morel", "make_sync_app"]

URL: Final = "/v0/morels"
URI: Final = "/morels"
COLLECTION: Final = {"collection_id": "morel", "parent_id": ""}


class Morel(ShareableResource):
    """Records with any attributes."""

    class MorelSchema(ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = MorelSchema()

    def is_known_field(self, field: str) -> bool:
        return True


def make_sync_app(settings: Mapping[str, Any] | None = None) -> TestApp:
    """Return a client of an application whose records are synchronised.

    Parameters
    ----------
    settings : those of the backends; by default these are in memory. Their schemas must exist.
    """
    configured = {
        "morel_sync_enabled": "true",
        "morel_sync_departures": "true",
        "morel_create_principals": "system.Authenticated",
        **(settings or {}),
    }
    return make_app([Morel], settings=configured)
