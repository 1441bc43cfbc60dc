"""Permissions: the contract, and the backends in submodules with the names of their servers."""

import random

from cliquet.monitoring.logs import logger
from cliquet.permission.base import PermissionBase
from cliquet.permission.permission_heartbeat import heartbeat

__all__ = ["PermissionBase", "heartbeat", "logger", "random"]
