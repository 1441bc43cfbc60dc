"""The scripts for the indexes of unique fields in Redis, each of which is one atomic step."""

from __future__ import annotations

from typing import Final

from cliquet.storage.redis.scripts import COMMON

__all__ = ["FILL", "LOOKUP"]

LOOKUP: Final = (
    COMMON
    + """
local home = read_home()
local reply = {}
for number = 1, count() do
  local field, digest = take(), take()
  local found = {redis.call('HGET', home.fields, field) or ''}
  if digest ~= '' then
    for _, id in ipairs(ids_with(home, field, digest)) do
      table.insert(found, id)
      table.insert(found, redis.call('HGET', home.records, id))
    end
  end
  reply[number] = found
end
return {tostring(redis.call('HLEN', home.records)), reply}
"""
)
"""Finds the live records with a value in unique fields; answers the state of the indexes too."""

FILL: Final = (
    COMMON
    + """
local home, field = read_home(), take()
if redis.call('HEXISTS', home.fields, field) == 0 then
  return 'flushed'
end
for _ = 1, count() do
  local id, revision, digest = take(), take(), take()
  local stored = redis.call('HGET', home.records, id)
  -- Whoever changed the record since it was read has put it in the index.
  if stored and stored:match('^%d+') == revision then
    redis.call('ZADD', home.unique .. field, 0, digest .. id)
    redis.call('HSET', home.values .. field, id, digest)
  end
end
if take() == 'last' then
  redis.call('HSET', home.fields, field, 'ready')
end
return 'filled'
"""
)
"""Adds records to the index of a field that is being built; it is ready after the last one."""
