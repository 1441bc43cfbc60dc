"""The scripts that forget collections in Redis, each of which is one atomic step."""

from __future__ import annotations

from typing import Final

from cliquet.storage.redis.scripts import COMMON

__all__ = ["FLUSH", "FORGET", "FORGET_UNTOUCHED"]

REMOVAL: Final = """
local function remove(collection, parent)
  local name = #collection .. ':' .. collection .. ':' .. parent
  for _, field in ipairs(redis.call('HKEYS', namespace .. 'fields:' .. name)) do
    redis.call('DEL', namespace .. 'unique:' .. #name .. ':' .. name .. ':' .. field)
    redis.call('DEL', namespace .. 'values:' .. #name .. ':' .. name .. ':' .. field)
  end
  for _, kind in ipairs({'records:', 'tombstones:', 'departures:', 'fields:', 'lock:'}) do
    redis.call('DEL', namespace .. kind .. name)
  end
  for _, kind in ipairs({'timestamps:', 'revisions:', 'live:', 'purged:', 'epochs:'}) do
    redis.call('HDEL', namespace .. kind .. collection, parent)
  end
  if redis.call('EXISTS', namespace .. 'timestamps:' .. collection) == 0 then
    redis.call('SREM', namespace .. 'collections', collection)
  end
end
"""

FLUSH: Final = (
    COMMON
    + REMOVAL
    + """
for _, collection in ipairs(redis.call('SMEMBERS', namespace .. 'collections')) do
  for _, parent in ipairs(redis.call('HKEYS', namespace .. 'timestamps:' .. collection)) do
    remove(collection, parent)
  end
end
"""
)
"""Removes every key of the storage, and no other."""

FORGET: Final = COMMON + REMOVAL + "remove(take(), take())"
"""Removes every trace of one collection."""

FORGET_UNTOUCHED: Final = (
    COMMON
    + REMOVAL
    + """
local home, before = read_home(), take()
local latest = redis.call('HGET', home.timestamps, home.parent)
if not latest or not is_less(latest, before)
    or redis.call('HEXISTS', home.purged, home.parent) == 1
    or redis.call('EXISTS', home.records, home.tombstones, home.departures, home.lock) > 0 then
  return 0
end
remove(home.collection, home.parent)
return 1
"""
)
"""Removes a collection that is empty and was not changed since a time; answers whether it did."""
