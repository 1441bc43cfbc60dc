"""``cliquet keys``: give keys to programs, list them, and take them back."""

from __future__ import annotations

import argparse
import datetime
from typing import Any

from pyramid.interfaces import ISecurityPolicy

from cliquet import utils
from cliquet.scripts.changeable_storage import changeable_storage
from cliquet.scripts.command import Command, CommandError, application, require_file
from cliquet.scripts.purge_deleted import parse_age
from cliquet.security import api_keys
from cliquet.security.api_key_policy import APIKeyPolicy
from cliquet.storage.base import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError

__all__ = ["COMMAND"]

_IN_MEMORY = ", and so would be its keys"


def _create(registry: Any, storage: StorageBase, arguments: argparse.Namespace) -> None:
    expires_ms = None if arguments.expires is None else utils.msec_time() + arguments.expires
    userid = _without_policy(registry, arguments.user) or ""
    try:
        key = api_keys.create(storage, userid, label=arguments.label, expires_ms=expires_ms)
    except ValueError as error:
        raise CommandError(str(error)) from error
    # It stands alone on its line, so that another program can read it.
    print(key)


def _list(registry: Any, storage: StorageBase, arguments: argparse.Namespace) -> None:
    now_ms = utils.msec_time()
    user = _without_policy(registry, arguments.user)
    for key in api_keys.stored(storage):
        if user in (None, key.userid):
            ends = "-" if key.expires_ms is None else _day(key.expires_ms)
            state = "valid" if key.is_valid(now_ms) else "ended"
            print(key.id, _day(key.created_ms), ends, state, key.userid, key.label, sep="\t")


def _revoke(registry: Any, storage: StorageBase, arguments: argparse.Namespace) -> None:
    for key_id in arguments.id:
        try:
            api_keys.revoke(storage, key_id)
        except RecordNotFoundError as error:
            raise CommandError(f"there is no key {key_id!r}") from error
        print(f"{key_id} revoked")


def _without_policy(registry: Any, userid: str | None) -> str | None:
    """Return the id of a user as keys have it, without the name of the policy that knows keys.

    Permissions and groups name the user with it, as in ``program:robot``.
    """
    policy = registry.queryUtility(ISecurityPolicy)
    for one in getattr(policy, "_policies", ()):
        prefix = f"{one._pyramid_multiauth_name}:"
        if isinstance(one, APIKeyPolicy) and userid is not None and userid.startswith(prefix):
            return userid.removeprefix(prefix)
    return userid


def _day(time_ms: int) -> str:
    return datetime.datetime.fromtimestamp(time_ms / 1000, datetime.timezone.utc).date().isoformat()


def _age(text: str) -> int:
    try:
        return parse_age(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90d or 12w") from None


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key, and print it once")
    create.add_argument(
        "user", metavar="USER", help="the user that the key stands for: robot or program:robot"
    )
    create.add_argument("--label", default="", metavar="TEXT", help="what the key is for")
    create.add_argument("--expires", type=_age, metavar="AGE", help="when it ends, such as 90d")
    create.set_defaults(act=_create, writes=True)
    listed = actions.add_parser("list", help="print id, first and last day, user and label")
    listed.add_argument("--user", metavar="USER", help="only the keys of this user")
    listed.set_defaults(act=_list, writes=False)
    revoke = actions.add_parser("revoke", help="forget keys")
    revoke.add_argument("id", metavar="ID", nargs="+", help="id of a key, as listed")
    revoke.set_defaults(act=_revoke, writes=True)
    for action in (create, listed, revoke):
        # As for the command itself; a default would replace what was given before.
        action.add_argument("--ini", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    file = require_file(arguments, parser)
    with application(file) as registry:
        storage = changeable_storage(
            registry, in_memory=_IN_MEMORY, writes=arguments.writes, lists=False
        )
        arguments.act(registry, storage, arguments)


COMMAND = Command("keys", "give keys to programs, list them, take them back", _add_arguments, _run)
