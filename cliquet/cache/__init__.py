"""Caches: the contract, and the backends in submodules with the names of their servers."""

import random

from cliquet.cache.base import CacheBase
from cliquet.cache.cache_heartbeat import heartbeat
from cliquet.monitoring.logs import logger

__all__ = ["CacheBase", "heartbeat", "logger", "random"]
