"""The script that sets the timestamps of a collection in Redis back to the clock."""

from __future__ import annotations

from typing import Final

from cliquet.storage.redis.scripts import COMMON

__all__ = ["REWIND"]

REWIND: Final = (
    COMMON
    + """
local home, now = read_home(), take()
local latest = redis.call('HGET', home.timestamps, home.parent)
if not latest or not is_less(now, latest) then
  return -1
end
local ahead = {}
for _, key in ipairs({home.records, home.tombstones}) do
  local all = redis.call('HGETALL', key)
  for rank = 1, #all, 2 do
    local timestamp, text = all[rank + 1]:match('^%d+:(-?%d+)(:.*)$')
    if is_less(now, timestamp) then
      table.insert(ahead, {key = key, id = all[rank], timestamp = timestamp, text = text})
    end
  end
end
table.sort(ahead, function(one, other)
  if one.timestamp ~= other.timestamp then
    return is_less(one.timestamp, other.timestamp)
  end
  return one.id < other.id
end)
local revision = last_revision(home)
for rank, entry in ipairs(ahead) do
  local stamp = string.format('%.0f:%.0f', revision + rank, now + rank)
  redis.call('HSET', entry.key, entry.id, stamp .. entry.text)
end
local number = math.max(#ahead, 1)
redis.call('HSET', home.revisions, home.parent, string.format('%.0f', revision + number))
redis.call('HSET', home.timestamps, home.parent, string.format('%.0f', now + number))
local departed = redis.call('HGETALL', home.departures)
for rank = 1, #departed, 2 do
  local timestamp, kind = departed[rank + 1]:match('^(-?%d+)(:.*)$')
  if is_less(string.format('%.0f', now + number), timestamp) then
    local latest = string.format('%.0f', now + number)
    redis.call('HSET', home.departures, departed[rank], latest .. kind)
  end
end
lower_horizon(home, string.format('%.0f', now + number))
start_epoch(home)
return #ahead
"""
)
"""Gives entries that are later than a time the timestamps after this time.

Each entry also gets a new revision, so that an operation that has read it before is repeated. The
answer is the number of entries, or -1 if the collection is not later.
"""
