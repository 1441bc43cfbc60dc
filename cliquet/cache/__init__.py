"""Caches: the contract, and the backends in submodules of the same name as their server."""

import random

from cliquet.cache.base import CacheBase
from cliquet.cache.heartbeat import heartbeat
from cliquet.monitoring.logs import logger

__all__ = ["CacheBase", "heartbeat", "logger", "random"]
