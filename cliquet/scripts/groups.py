"""``cliquet groups``: give users groups, take them away, and list them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from cliquet import settings, utils
from cliquet.initialization.backends import is_in_memory, module_of
from cliquet.permission.base import AUTHENTICATED
from cliquet.permission.grants import UserPrincipal
from cliquet.scripts.command import Command, CommandError, application, require_file

__all__ = ["COMMAND"]

_RECORDS = "/groups/"


def _add(registry: Any, arguments: argparse.Namespace) -> None:
    group = _checked_group(registry, arguments.group)
    # All are judged before the first is written.
    for user in [_checked_user(user) for user in _users(arguments)]:
        registry.permission.add_user_principal(user, group)
        print(f"{user} is in {group}")


def _remove(registry: Any, arguments: argparse.Namespace) -> None:
    # A group whose name would be refused today can still be taken away.
    group = _changeable_group(registry, arguments.group)
    if not arguments.user:
        registry.permission.remove_principal(group)
        print(f"nobody is in {group}")
    for user in _users(arguments):
        registry.permission.remove_user_principal(user, group)
        print(f"{user} is not in {group}")


def _list(registry: Any, arguments: argparse.Namespace) -> None:
    for user, group in sorted(_memberships(registry, arguments.user)):
        if arguments.group in (None, group):
            print(group, user, sep="\t")


def _memberships(registry: Any, user: str | None) -> Iterator[tuple[str, str]]:
    backend = registry.permission
    if user is not None:
        # Everybody has the groups of all users; here each group is told with the one who has it.
        shared = set() if user == AUTHENTICATED else backend.user_principals(AUTHENTICATED)
        yield from ((user, group) for group in backend.user_principals(user) - shared)
        yield from ((AUTHENTICATED, group) for group in shared)
        return
    if not backend.is_transferable:
        raise CommandError(
            f"the permission backend {module_of(backend)} does not list its users: it has no"
            " export(); --user USER lists the groups of one"
        )
    for grant in backend.export():
        if not isinstance(grant, UserPrincipal):
            # The users come first.
            return
        yield grant.user_id, grant.principal


def _users(arguments: argparse.Namespace) -> list[str]:
    """Return the ids of the command line, with those of standard input in the place of ``-``.

    Raises
    ------
    CommandError : standard input has none. Without any id, `remove` would take everybody out.
    """
    found: list[str] = []
    for user in arguments.user:
        if user != "-":
            found.append(user)
            continue
        read = sys.stdin.read().split()
        if not read:
            raise CommandError("standard input has no ids; allowed: one or more, with white space")
        found += read
    return list(dict.fromkeys(found))


def _checked_user(user: str) -> str:
    policy, _, userid = user.partition(":")
    if user != AUTHENTICATED and not (policy and userid and utils.is_storable_key(user)):
        raise CommandError(
            f"{user!r} is not the id of a user; allowed: an id as GET /v1/ shows it, such as"
            f" basicauth:51c0…, or {AUTHENTICATED} for all users"
        )
    return user


def _checked_group(registry: Any, group: str) -> str:
    """Return the name of a group, unless users may have it as their own principal."""
    names = [name.lower() for name in settings.read(registry.settings, "multiauth.policies")]
    is_user = any(group.lower().startswith((f"{name}:", f"{name}_")) for name in names)
    if is_user or group.startswith("system.") or not group or not utils.is_storable_key(group):
        raise CommandError(
            f"{group!r} cannot be the name of a group, because it may be a user or has a meaning of"
            " its own; allowed: names such as group:staff"
        )
    return _changeable_group(registry, group)


def _changeable_group(registry: Any, group: str) -> str:
    if settings.read(registry.settings, "groups_enabled") and group.startswith(_RECORDS):
        raise CommandError(
            f"{group} is a record of the service, whose members are changed over HTTP"
        )
    return group


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="put users into a group")
    add.add_argument("group", metavar="GROUP", help="its name, such as group:staff")
    add.add_argument(
        "user",
        metavar="USER",
        nargs="+",
        help="id of a user, with its policy; - reads ids from standard input",
    )
    add.set_defaults(act=_add, writes=True)
    remove = actions.add_parser("remove", help="take users out of a group, or all of them")
    remove.add_argument("group", metavar="GROUP", help="its name")
    remove.add_argument("user", metavar="USER", nargs="*", help="ids, or -; without any, all users")
    remove.set_defaults(act=_remove, writes=True)
    listed = actions.add_parser("list", help="print groups and their users")
    listed.add_argument("--user", metavar="USER", help="only the groups of this user")
    listed.add_argument("--group", metavar="GROUP", help="only this group")
    listed.set_defaults(act=_list, writes=False)
    for action in (add, remove, listed):
        # As for the command itself; a default would replace what was given before.
        action.add_argument("--ini", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    with application(require_file(arguments, parser)) as registry:
        backend = getattr(registry, "permission", None)
        if backend is None:
            raise CommandError(
                "the service has no permissions: its setting permission_backend is empty"
            )
        if is_in_memory(backend):
            raise CommandError(
                "the permissions are in the memory of the service, and so would be its groups"
            )
        if arguments.writes and settings.read(registry.settings, "readonly"):
            raise CommandError("the service is read-only: its setting readonly is true")
        arguments.act(registry, arguments)


COMMAND = Command("groups", "put users into groups, take them out, list them", _add_arguments, _run)
