"""Switches of an application: anybody may read them, and the operators set them."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import cliquet
import colander
from cliquet import resource
from cliquet.storage.generators import Generator
from cliquet.types import Record
from pyramid.config import Configurator

__version__ = "1.0.0"


class FlagName(Generator):
    """Names of flags, such as ``new-menu``."""

    regexp = r"^[a-z][a-z0-9-]{0,63}$"

    def __call__(self) -> str:
        return f"flag-{secrets.token_hex(4)}"


class FlagSchema(resource.ResourceSchema):
    """A flag: for which part of the users it is on."""

    class Options:
        unknown = "raise"

    description = colander.SchemaNode(colander.String(), validator=colander.Length(1, 500))
    percent = colander.SchemaNode(colander.Integer(), validator=colander.Range(0, 100), missing=0)


@resource.register()
class Flag(resource.ShareableResource):
    """Flags at ``/v1/flags`` and ``/v1/flags/{name}``."""

    mapping = FlagSchema()


def is_on(flag: Record, user: str) -> bool:
    """Return whether a flag is on for a user of the application that reads it.

    A user for whom it is on keeps it when `percent` grows. Each flag chooses other users first.
    """
    digest = hashlib.sha256(f"{flag['id']}:{user}".encode()).digest()
    percent: int = flag["percent"]
    return int.from_bytes(digest[:4], "big") % 100 < percent


def main(global_config: dict[str, Any], **settings: Any) -> Any:
    """Return the WSGI application that the .ini file describes."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version=__version__, project_name="flags")
    config.scan("flags")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
