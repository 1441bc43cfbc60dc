"""The Lua scripts of the storage in Redis, each of which is one atomic step.

All keys begin with :data:`NAMESPACE`. In a cluster, the part of their home follows, which is its
own namespace (:mod:`cliquet.connections.redis.partitions`). A script works on one part, whose
beginning is its first key. A *home* is a pair of a collection and a parent, written as
``<length of the collection id>:<collection id>:<parent id>``. Lengths are in bytes, so that
different pairs never give the same text, whatever characters they contain. The keys are:

``collections``
    Set of all collection ids; with the next ones, it gives the names of all other keys.
``timestamps:<collection>``, ``revisions:<collection>``, ``live:<collection>``
    Hashes by parent: the timestamp; the number of the last change; the number of live records.
``purged:<collection>``, ``epochs:<collection>``
    Hashes by parent: the horizon and the epoch, which data of former versions do not have.
``records:<home>``, ``tombstones:<home>``
    Hashes by id: ``<revision>:<timestamp>:<JSON>``, and ``<revision>:<timestamp>:``.
``departures:<home>``
    Hash by ``<length of id>:<id>:<principal>``: ``<timestamp>:<kind>``.
``fields:<home>``
    Hash by unique field: ``building`` or ``ready``, the state of its index.
``unique:<length of home>:<home>:<field>``
    The index: a sorted set, in byte order, of the digest of a value followed by an id.
``values:<length of home>:<home>:<field>``
    The digest by id, which is removed from the index when the record changes.
``lock:<home>``
    Token of somebody who repeats a disturbed operation; it expires by itself.

A *revision* is used only once. It starts at the clock of the server in microseconds, so that it
also grows over a ``flush``, and two equal states have different revisions. Timestamps are compared
and increased as decimal texts, because the numbers of Lua have only 53 bits.
"""

from __future__ import annotations

from typing import Final

from cliquet.storage.timestamps import MAX_TIMESTAMP

__all__ = [
    "COMMIT",
    "COMMON",
    "NAMESPACE",
    "RELEASE",
]

NAMESPACE: Final = b"cliquet:storage:"

COMMON: Final = f"""
local namespace = KEYS[1]
local last_timestamp = '{MAX_TIMESTAMP}'
local cursor = 0
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end
local function count()
  return tonumber(take())
end

local function read_home()
  local collection, parent = take(), take()
  local name = #collection .. ':' .. collection .. ':' .. parent
  local path = #name .. ':' .. name .. ':'
  return {{
    collection = collection,
    parent = parent,
    records = namespace .. 'records:' .. name,
    tombstones = namespace .. 'tombstones:' .. name,
    departures = namespace .. 'departures:' .. name,
    fields = namespace .. 'fields:' .. name,
    lock = namespace .. 'lock:' .. name,
    unique = namespace .. 'unique:' .. path,
    values = namespace .. 'values:' .. path,
    timestamps = namespace .. 'timestamps:' .. collection,
    revisions = namespace .. 'revisions:' .. collection,
    live = namespace .. 'live:' .. collection,
    purged = namespace .. 'purged:' .. collection,
    epochs = namespace .. 'epochs:' .. collection,
  }}
end

local function is_less(one, other)
  local is_negative = one:sub(1, 1) == '-'
  if is_negative ~= (other:sub(1, 1) == '-') then
    return is_negative
  end
  if is_negative then
    one, other = other:sub(2), one:sub(2)
  end
  if #one ~= #other then
    return #one < #other
  end
  return one < other
end

-- The number that the next change of a collection has to exceed.
local function last_revision(home)
  local time = redis.call('TIME')
  local previous = tonumber(redis.call('HGET', home.revisions, home.parent) or '0')
  return math.max(previous, time[1] * 1000000 + time[2])
end

local function start_epoch(home)
  local time = redis.call('TIME')
  local name = home.records .. time[1] .. '.' .. time[2]
  redis.call('HSET', home.epochs, home.parent, redis.sha1hex(name):sub(1, 8))
end

-- A horizon is never later than the timestamp.
local function lower_horizon(home, latest)
  local purged = redis.call('HGET', home.purged, home.parent)
  if purged and is_less(latest, purged) then
    redis.call('HSET', home.purged, home.parent, latest)
  end
end

local function purge_until(home, position)
  local purged = redis.call('HGET', home.purged, home.parent)
  if not purged or is_less(purged, position) then
    redis.call('HSET', home.purged, home.parent, position)
  end
end

-- The members of an index that hold a digest.
local function ids_with(home, field, digest)
  local members = redis.call(
    'ZRANGEBYLEX', home.unique .. field, '[' .. digest, '(' .. digest .. '\\255')
  for rank, member in ipairs(members) do
    members[rank] = member:sub(#digest + 1)
  end
  return members
end
"""

COMMIT: Final = (
    COMMON
    + """
local clock = take()

local homes = {}
for number = 1, count() do
  local home = read_home()
  -- Timestamps chosen by the caller: of its first change, and of its last. Empty: chosen here.
  -- The first one 'exact': those given are kept, whatever was there.
  home.first, home.latest, home.horizon, home.epoch = take(), take(), take(), take()
  home.changed, home.added_fields = {}, {}
  homes[number] = home
end

-- Nothing is written before all is known to be acceptable: a script is not rolled back.

for _ = 1, count() do
  local home, id, revision = homes[count()], take(), take()
  local stored = redis.call('HGET', home.records, id) or redis.call('HGET', home.tombstones, id)
  if (stored and stored:match('^%d+') or '') ~= revision then
    return {'conflict'}
  end
end
for _ = 1, count() do
  local home, revision = homes[count()], take()
  if (redis.call('HGET', home.revisions, home.parent) or '') ~= revision then
    return {'conflict'}
  end
end
for _, home in ipairs(homes) do
  local current = redis.call('HGET', home.timestamps, home.parent)
  home.before = current
  local is_chosen = home.first ~= '' and home.first ~= 'exact'
  -- After the last timestamp that there is, what was chosen comes from the clock.
  local may_go_on = not current or is_less(current, last_timestamp)
  if is_chosen and current and may_go_on and not is_less(current, home.first) then
    return {'late'}
  end
end

local changes = {}
for number = 1, count() do
  local rank = count()
  local change = {
    rank = rank, home = homes[rank], kind = take(), must = take(), id = take(),
    timestamp = take(), text = take(), digests = {}, checked = {},
  }
  for _ = 1, count() do
    local field, digest, is_checked = take(), take(), take()
    change.digests[field] = digest
    if is_checked == '1' then
      table.insert(change.checked, field)
    end
  end
  change.home.changed[change.id] = true
  changes[number] = change
end

local departures = {}
for number = 1, count() do
  departures[number] = {home = homes[count()], field = take(), stored = take(), former = take()}
end

for _, change in ipairs(changes) do
  local home = change.home
  if not home.states then
    home.states = {}
    local pairs_of_fields = redis.call('HGETALL', home.fields)
    for rank = 1, #pairs_of_fields, 2 do
      home.states[pairs_of_fields[rank]] = pairs_of_fields[rank + 1]
    end
  end
  local stored = redis.call('HGET', home.records, change.id)
  if change.must == 'absent' and stored then
    return {'taken', '', change.id, stored}
  end
  if change.must == 'live' and not stored then
    return {'missing'}
  end
  change.was_live = stored and true or false
  if change.kind == 'put' then
    for field in pairs(home.states) do
      if not change.digests[field] then
        return {'digests', tostring(change.rank), field}
      end
    end
    for _, field in ipairs(change.checked) do
      if home.states[field] ~= 'ready' then
        if redis.call('HLEN', home.records) > 0 then
          return {'fill', tostring(change.rank), field}
        end
        home.states[field] = 'ready'
        table.insert(home.added_fields, field)
      elseif change.digests[field] ~= '' then
        for _, id in ipairs(ids_with(home, field, change.digests[field])) do
          if not home.changed[id] then
            return {'taken', field, id, redis.call('HGET', home.records, id)}
          end
        end
      end
    end
  end
end

local function next_revision(home)
  if not home.revision then
    home.revision = last_revision(home)
    redis.call('SADD', namespace .. 'collections', home.collection)
    for _, field in ipairs(home.added_fields) do
      redis.call('HSET', home.fields, field, 'ready')
    end
  end
  home.revision = home.revision + 1
  local revision = string.format('%.0f', home.revision)
  redis.call('HSET', home.revisions, home.parent, revision)
  return revision
end

-- B-4.7, X-19, B-21.5: as cliquet.storage.timestamps.next_timestamps.
local function advance(home, supplied)
  local previous = redis.call('HGET', home.timestamps, home.parent)
  if supplied ~= '' and (not previous or is_less(previous, supplied)) then
    redis.call('HSET', home.timestamps, home.parent, supplied)
    return supplied
  end
  if not previous or is_less(previous, clock) or not is_less(previous, last_timestamp) then
    redis.call('HSET', home.timestamps, home.parent, clock)
  else
    redis.call('HINCRBY', home.timestamps, home.parent, 1)
  end
  if supplied == '' or supplied == previous then
    return redis.call('HGET', home.timestamps, home.parent)
  end
  return supplied
end

local function index(home, change)
  for field in pairs(home.states) do
    local digest = change.digests[field] or ''
    local unique, values = home.unique .. field, home.values .. field
    local former = redis.call('HGET', values, change.id) or ''
    if former ~= digest then
      if former ~= '' then
        redis.call('ZREM', unique, former .. change.id)
        redis.call('HDEL', values, change.id)
      end
      if digest ~= '' then
        redis.call('ZADD', unique, 0, digest .. change.id)
        redis.call('HSET', values, change.id, digest)
      end
    end
  end
end

local reply = {'done'}
for _, change in ipairs(changes) do
  local home, id = change.home, change.id
  local revision = next_revision(home)
  if change.kind == 'purge' then
    local tombstone = redis.call('HGET', home.tombstones, id)
    if tombstone then
      purge_until(home, tombstone:match('^%d+:(-?%d+):'))
      redis.call('HDEL', home.tombstones, id)
    end
  else
    local timestamp = change.timestamp
    if home.first == '' then
      timestamp = advance(home, timestamp)
    end
    local stored = revision .. ':' .. timestamp .. ':' .. change.text
    local is_live = change.kind == 'put'
    if is_live then
      redis.call('HSET', home.records, id, stored)
    elseif change.was_live then
      redis.call('HDEL', home.records, id)
    end
    if change.kind == 'bury' then
      redis.call('HSET', home.tombstones, id, stored)
    else
      local number = redis.call('HDEL', home.tombstones, id)
      home.forgets = home.forgets or change.kind == 'forget' and (change.was_live or number > 0)
    end
    if is_live ~= change.was_live then
      redis.call('HINCRBY', home.live, home.parent, is_live and 1 or -1)
    end
    index(home, change)
    table.insert(reply, timestamp)
  end
end
for _, departure in ipairs(departures) do
  local home, field, former = departure.home, departure.field, departure.former
  next_revision(home)
  local rank, kind = departure.stored:match('^%+(%d+):(.*)$')
  if rank then
    -- Those with one rank share a timestamp, which is made here.
    if rank ~= home.rank then
      home.rank, home.position = rank, advance(home, '')
      table.insert(reply, home.position)
    end
    departure.stored = home.position .. ':' .. kind
  end
  if departure.stored ~= '' then
    redis.call('HSET', home.departures, field, departure.stored)
  elseif former == '' then
    redis.call('HDEL', home.departures, field)
  elseif redis.call('HGET', home.departures, field) == former then
    redis.call('HDEL', home.departures, field)
    purge_until(home, former:match('^-?%d+'))
  end
end
for _, home in ipairs(homes) do
  if home.latest ~= '' then
    if not home.revision then
      next_revision(home)
    end
    redis.call('HSET', home.timestamps, home.parent, home.latest)
  end
  if home.forgets then
    -- A deletion without tombstone, even with a timestamp of the past, happens now.
    purge_until(home, redis.call('HGET', home.timestamps, home.parent))
  end
  if home.horizon ~= '' then
    redis.call('HSET', home.purged, home.parent, home.horizon)
  end
  -- If the timestamp becomes lower, the data are restored from former ones.
  local is_restored = home.before and home.latest ~= '' and is_less(home.latest, home.before)
  if home.epoch ~= '' then
    redis.call('HSET', home.epochs, home.parent, home.epoch)
  elseif is_restored
      or not home.before and redis.call('HEXISTS', home.timestamps, home.parent) == 1 then
    start_epoch(home)
  end
  if is_restored then
    lower_horizon(home, home.latest)
  end
end
return reply
"""
)
"""Applies changes if the reads for them are still true; or answers why not, without a change."""

RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
"""
"""Releases a lock, unless it has expired and belongs to somebody else."""
