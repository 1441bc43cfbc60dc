"""Clients that ask between the commit of a record and that of its permissions (E-11.3)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.combinations import name_of, running_combination
from support.sharing import URL, user_id

from cliquet.testing.bounded import Threads
from cliquet.testing.web import basic_auth
from cliquet.transactions import scope

OWNER = basic_auth("owner")
READER = basic_auth("reader")
# Readers wait for permissions in Redis.
APART = [
    ("sqlite", "sqlite", False),
    ("postgresql", "sqlite", False),
    ("sqlite", "postgresql", False),
    ("sqlite", "memory", False),
]


class Between(scope.DataManager):
    """Calls a function when the databases of records have committed, and no other backend has."""

    sort_key = "~~cliquet.sql:0~"

    def __init__(self, transaction: Any, function: Callable[[], object]) -> None:
        self.transaction_manager = transaction._manager
        self._function = function

    def tpc_vote(self, transaction: Any) -> None:
        # Another thread has no part in the transaction.
        with Threads(1) as threads:
            threads.submit(self._function).result()


class Device:
    """A copy of what a user may read, by tokens or by ``_since``."""

    def __init__(self, app: Any, *, has_tokens: bool) -> None:
        self._app = app
        self._has_tokens = has_tokens
        self._known = "" if has_tokens else "0"
        self.ids: set[str] = set()
        self.asked = 0

    def synchronise(self) -> None:
        parameter, header = ("_sync", "Sync-Token") if self._has_tokens else ("_since", "ETag")
        response = self._app.get(f"{URL}?{parameter}={self._known}", headers=READER, status=200)
        for item in response.json["data"]:
            (self.ids.discard if "deleted" in item else self.ids.add)(item["id"])
        self._known = response.headers[header].strip('"')
        self.asked += 1


@pytest.fixture(params=APART, ids=name_of)
def app_between(request: pytest.FixtureRequest) -> Iterator[tuple[Any, list[Any]]]:
    """An application, and functions that are called between its commits."""
    functions: list[Any] = []

    def configure(config: Any) -> None:
        def on_change(event: Any) -> None:
            transaction = scope.current()
            for function in functions:
                transaction.join(Between(transaction, function))

        config.add_subscriber(on_change, "cliquet.events.ResourceChanged")

    settings = {
        "sync_enabled": "true",
        "toadstool_sync_departures": "true",
        "toadstool_create_principals": "system.Authenticated",
    }
    with running_combination(request.param, request, configure=configure, **settings) as app:
        yield app, functions


@pytest.mark.clause("E-11.3", "E-11.8", "E-12.1", "E-12.4")
@pytest.mark.parametrize("has_tokens", [True, False], ids=["tokens", "since"])
def test_who_asks_between_two_commits_misses_nothing(
    app_between: tuple[Any, list[Any]], has_tokens: bool
) -> None:
    app, functions = app_between
    reader = user_id(app, READER)
    device = Device(app, has_tokens=has_tokens)
    device.synchronise()
    functions.append(device.synchronise)

    body = {"data": {"name": "a"}, "permissions": {"read": [reader]}}
    record_id = app.post_json(URL, body, headers=OWNER, status=201).json["data"]["id"]
    asked = device.asked
    device.synchronise()
    assert (device.ids, asked) == ({record_id}, 2)

    url = f"{URL}/{record_id}"
    for readers, ids in (([], set()), ([reader], {record_id}), ([], set())):
        app.patch_json(url, {"permissions": {"read": readers}}, headers=OWNER, status=200)
        device.synchronise()
        assert device.ids == ids
