"""The script that forgets an empty collection in Redis, in one atomic step."""

from __future__ import annotations

from typing import Final

from cliquet.storage.redis.scripts import COMMON, REMOVAL

__all__ = ["FORGET_UNTOUCHED"]

FORGET_UNTOUCHED: Final = (
    COMMON
    + REMOVAL
    + """
local home, before = read_home(), take()
local latest = redis.call('HGET', home.timestamps, home.parent)
if not latest or not is_less(latest, before)
    or redis.call('EXISTS', home.records, home.tombstones, home.lock) > 0 then
  return 0
end
remove(home.collection, home.parent)
return 1
"""
)
"""Removes a collection that is empty and was not changed since a time; answers whether it did."""
