"""Storages: the contract, and the backends in submodules with the names of their servers."""

import random

from cliquet.core.globs import Exact, Pattern
from cliquet.monitoring.logs import logger
from cliquet.storage import exceptions
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    Page,
    StorageBase,
)
from cliquet.storage.query import COMPARISON, MISSING, Filter, Sort
from cliquet.storage.storage_heartbeat import heartbeat

__all__ = [
    "COMPARISON",
    "DEFAULT_DELETED_FIELD",
    "DEFAULT_ID_FIELD",
    "DEFAULT_MODIFIED_FIELD",
    "MISSING",
    "Exact",
    "Filter",
    "Page",
    "Pattern",
    "Sort",
    "StorageBase",
    "exceptions",
    "heartbeat",
    "logger",
    "random",
]
