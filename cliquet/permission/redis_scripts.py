"""What the permission backend in Redis runs on the server: Lua, each script one atomic step.

The keys are described in :mod:`cliquet.permission.redis_keys`.
"""

from __future__ import annotations

from typing import Final

from cliquet.permission.redis_keys import NAMESPACE

__all__ = [
    "CHANGE_ACES",
    "CHANGE_USERS",
    "CHECK",
    "DELETE_OBJECTS",
    "FLUSH",
    "READ_ACES",
    "REMOVE_PRINCIPAL",
]

_COMMON: Final = f"""
local namespace = '{NAMESPACE}'
local cursor = 0
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end

local function ace_key(object, permission)
  return namespace .. 'ace:' .. #object .. ':' .. object .. ':' .. permission
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
  local found = {{}}
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

CHANGE_USERS: Final = (
    _COMMON
    + """
while cursor < #ARGV do
  local action, user, principal = take(), take(), take()
  if action == 'add' then
    redis.call('SADD', namespace .. 'user:' .. user, principal)
    redis.call('SADD', namespace .. 'members:' .. principal, user)
    redis.call('SADD', namespace .. 'users', user)
  else
    leave(user, principal)
  end
end
"""
)
"""Give principals to users, and take them: action, user, principal, and so on."""

REMOVE_PRINCIPAL: Final = (
    _COMMON
    + """
local principal = take()
for _, user in ipairs(redis.call('SMEMBERS', namespace .. 'members:' .. principal)) do
  leave(user, principal)
end
"""
)
"""Take a principal from all its users."""

CHANGE_ACES: Final = (
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

local reply = {}
while cursor < #ARGV do
  local action, object = take(), take()
  if action == 'list' then
    reply = aces_of(object)
  elseif action == 'clear' then
    delete_object(object)
  else
    local permission, principals = take(), {}
    for rank = 1, tonumber(take()) do
      principals[rank] = take()
    end
    if action == 'replace' then
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
end
return reply
"""
)
"""Change ACEs: action, object, permission, number of principals, principals, and so on.

``clear`` and an object remove all of its ACEs; ``list`` and an object answer what they then are.
"""

DELETE_OBJECTS: Final = (
    _COMMON
    + """
local reply = {}
for _, object in ipairs(ARGV) do
  table.insert(reply, aces_of(object))
  delete_object(object)
end
return reply
"""
)
"""Remove all the ACEs of objects; answer what they were."""

READ_ACES: Final = (
    _COMMON
    + """
local limits = {}
for rank = 1, tonumber(take()) do
  limits[rank] = take()
end
local reply = {}
while cursor < #ARGV do
  local object = take()
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
"""Read ACEs of objects: number of permissions, the only ones wanted if any, then the objects."""

CHECK: Final = """
for _, key in ipairs(KEYS) do
  for _, principal in ipairs(ARGV) do
    if redis.call('SISMEMBER', key, principal) == 1 then
      return 1
    end
  end
end
return 0
"""
"""Tell whether one of the principals is in one of the ACEs."""

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
"""Remove every key of the backend, and no other."""
