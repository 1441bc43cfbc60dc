"""The Lua scripts of the permission backend in Redis, each of which is one atomic step.

A script works on one part of the keys, whose beginning is its first key.
:mod:`cliquet.permission.redis.keys` describes the keys.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "CHANGE",
    "CHECK",
    "COMMITTING",
    "FLUSH",
    "LOCK",
    "READ_ACES",
    "RENEW",
    "UNLOCK",
]

_COMMON: Final = """
local namespace = KEYS[1]
local cursor = 0
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end

local function ace_key(object, permission)
  return namespace .. 'ace:' .. #object .. ':' .. object .. ':' .. permission
end

local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function lock_key(object)
  return namespace .. 'lock:' .. object
end

local function claim_key(object)
  return namespace .. 'claim:' .. object
end

local function release(object, token)
  if redis.call('GET', claim_key(object)) == token then
    redis.call('DEL', claim_key(object), lock_key(object))
  end
end

local function grant(object, permission, principal)
  redis.call('SADD', ace_key(object, permission), principal)
  redis.call('SADD', namespace .. 'permissions:' .. object, permission)
  redis.call('SADD', namespace .. 'objects', object)
  redis.call('SADD', namespace .. 'accessible:' .. principal,
    #permission .. ':' .. permission .. ':' .. object)
end

local function revoke(object, permission, principal)
  redis.call('SREM', ace_key(object, permission), principal)
  redis.call('SREM', namespace .. 'accessible:' .. principal,
    #permission .. ':' .. permission .. ':' .. object)
  if redis.call('EXISTS', ace_key(object, permission)) == 0 then
    redis.call('SREM', namespace .. 'permissions:' .. object, permission)
    if redis.call('EXISTS', namespace .. 'permissions:' .. object) == 0 then
      redis.call('SREM', namespace .. 'objects', object)
    end
  end
end

local function leave(user, principal)
  redis.call('SREM', namespace .. 'user:' .. user, principal)
  redis.call('SREM', namespace .. 'members:' .. principal, user)
  if redis.call('EXISTS', namespace .. 'user:' .. user) == 0 then
    redis.call('SREM', namespace .. 'users', user)
  end
end

local function aces_of(object)
  local found = {}
  for _, permission in ipairs(redis.call('SMEMBERS', namespace .. 'permissions:' .. object)) do
    table.insert(found, permission)
    table.insert(found, redis.call('SMEMBERS', ace_key(object, permission)))
  end
  return found
end

local function delete_object(object)
  local aces = aces_of(object)
  for rank = 1, #aces, 2 do
    for _, principal in ipairs(aces[rank + 1]) do
      revoke(object, aces[rank], principal)
    end
  end
end
"""

CHANGE: Final = (
    _COMMON
    + """
local function replace(object, permission, principals)
  local is_kept = {}
  for _, principal in ipairs(principals) do
    is_kept[principal] = true
  end
  -- Granted first: what everybody loses in between would be removed, and then made again.
  for _, principal in ipairs(principals) do
    grant(object, permission, principal)
  end
  for _, principal in ipairs(redis.call('SMEMBERS', ace_key(object, permission))) do
    if not is_kept[principal] then
      revoke(object, permission, principal)
    end
  end
end

local function change_aces(action, object, permission, principals)
  if action == 'clear' then
    delete_object(object)
  elseif action == 'replace' then
    replace(object, permission, principals)
  end
  for _, principal in ipairs(principals) do
    if action == 'add' then
      grant(object, permission, principal)
    elseif action == 'remove' then
      revoke(object, permission, principal)
    end
  end
end

local token, guarded, is_lost, lost, listed = take(), {}, {}, {}, {}
for rank = 1, tonumber(take()) do
  guarded[rank] = take()
end
local releases = take() == '1'
for _, object in ipairs(guarded) do
  if redis.call('GET', lock_key(object)) ~= token then
    is_lost[object] = true
    table.insert(lost, object)
  end
end
while cursor < #ARGV do
  local action, name = take(), take()
  if action == 'join' then
    local principal = take()
    if not is_lost[principal] then
      redis.call('SADD', namespace .. 'user:' .. name, principal)
      redis.call('SADD', namespace .. 'members:' .. principal, name)
      redis.call('SADD', namespace .. 'users', name)
    end
  elseif action == 'leave' then
    leave(name, take())
  elseif action == 'list' then
    table.insert(listed, aces_of(name))
  else
    local permission, principals = nil, {}
    if action ~= 'clear' then
      permission = take()
      for rank = 1, tonumber(take()) do
        principals[rank] = take()
      end
    end
    if not is_lost[name] then
      change_aces(action, name, permission, principals)
    end
  end
end
if releases and #guarded > 0 then
  redis.call('ZREM', namespace .. 'committing', token)
  for _, object in ipairs(guarded) do
    if not is_lost[object] then
      release(object, token)
    end
  end
end
return {listed, lost}
"""
)
"""Changes principals of users, and ACEs.

The arguments are a token; the number of objects that it should have locked, and these; ``1`` to
release them at the end. Then come the changes: ``join`` or ``leave``, a user and a principal; or
``add``, ``remove`` or ``replace``, an object, a permission, the number of principals and these; or
``clear`` and an object. Objects whose lock the token has lost are left unchanged, and nobody joins
a group of that name, but who leaves it does leave: somebody who lacks access will say so. ``list``
and an object ask for all of its ACEs at that point. The answer is these lists, and the unchanged
objects.
"""

_LOCKING: Final = (
    _COMMON
    + """
local token, lease, claim = take(), take(), take()

local function lock(object)
  redis.call('SET', lock_key(object), token, 'PX', lease)
  redis.call('SET', claim_key(object), token, 'PX', claim)
end

local function announce()
  local now = clock_ms()
  redis.call('ZREMRANGEBYSCORE', namespace .. 'committing', '-inf', now)
  -- Nobody finds a lock that has not expired, for which others have ceased to wait.
  redis.call('ZADD', namespace .. 'committing', now + lease + 100, token)
end
"""
)

LOCK: Final = (
    _LOCKING
    + """
for rank = cursor + 1, #ARGV do
  local holder = redis.call('GET', lock_key(ARGV[rank]))
  if holder and holder ~= token then
    return 0
  end
end
for rank = cursor + 1, #ARGV do
  lock(ARGV[rank])
end
if cursor < #ARGV then
  announce()
end
return 1
"""
)
"""Locks all the objects or none.

The arguments are a token; the times in ms for which others wait, and for which it is known whether
others have locked an object since then; and the objects."""

RENEW: Final = (
    _LOCKING
    + """
local lost = {}
for rank = cursor + 1, #ARGV do
  if redis.call('GET', claim_key(ARGV[rank])) == token then
    lock(ARGV[rank])
  else
    table.insert(lost, ARGV[rank])
  end
end
if #lost < #ARGV - cursor then
  announce()
end
return lost
"""
)
"""Locks objects again that nobody else has locked since the token did.

The arguments are those of :data:`LOCK`; the answer is the other objects."""

UNLOCK: Final = (
    _COMMON
    + """
local token = take()
redis.call('ZREM', namespace .. 'committing', token)
for rank = cursor + 1, #ARGV do
  release(ARGV[rank], token)
end
"""
)
"""Releases the locks of a token; the arguments are the token and the objects."""

COMMITTING: Final = (
    _COMMON
    + """
return redis.call('ZRANGEBYSCORE', namespace .. 'committing', '(' .. clock_ms(), '+inf')
"""
)
"""Returns the tokens of the requests that hold locks."""

READ_ACES: Final = (
    _COMMON
    + """
local limits = {}
for rank = 1, tonumber(take()) do
  limits[rank] = take()
end
local is_guarded = take() == '1'
local reply = {}
while cursor < #ARGV do
  local object = take()
  if is_guarded and redis.call('EXISTS', lock_key(object)) == 1 then
    return false
  end
  local found = {}
  if #limits == 0 then
    found = aces_of(object)
  end
  for _, permission in ipairs(limits) do
    table.insert(found, permission)
    table.insert(found, redis.call('SMEMBERS', ace_key(object, permission)))
  end
  table.insert(reply, found)
end
return reply
"""
)
"""Reads ACEs of objects.

The arguments are the number of wanted permissions (0 for all) and these; ``1`` to get nothing while
somebody has locked one of the objects; then the objects."""

CHECK: Final = """
local count = tonumber(ARGV[1])
for place = 3, #KEYS do
  for rank = 2, count + 1 do
    if redis.call('SISMEMBER', KEYS[place], ARGV[rank]) == 1 then
      return 1
    end
  end
end
for rank = count + 2, #ARGV do
  if redis.call('EXISTS', ARGV[rank]) == 1 then
    return false
  end
end
return 0
"""
"""Checks whether one of the principals is in one of the sets of the keys, but for the first two.

The arguments are the number of principals and these; then keys of locks. If one of these locks
exists, the answer is nothing instead of no.
"""

FLUSH: Final = (
    _COMMON
    + """
for _, user in ipairs(redis.call('SMEMBERS', namespace .. 'users')) do
  for _, principal in ipairs(redis.call('SMEMBERS', namespace .. 'user:' .. user)) do
    leave(user, principal)
  end
end
for _, object in ipairs(redis.call('SMEMBERS', namespace .. 'objects')) do
  delete_object(object)
end
"""
)
"""Removes every key of the backend, and no other."""
