"""Clients that ask between the commit of a record and that of its permissions (E-11.3)."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any

import pytest
from support.combinations import COMBINATIONS, name_of, running_combination
from support.sharing import URL, user_id

from cliquet.testing.bounded import Threads
from cliquet.testing.web import basic_auth
from cliquet.transactions import own, scope

OWNER = basic_auth("owner")
READER = basic_auth("reader")
# Longer than it takes to ask, unless the answer waits for the writer.
PAUSE_SECONDS = 0.3


class Asking:
    """Asks in another thread, which has no part in the transaction."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._threads = Threads(1)
        self._asked: list[Future[object]] = []

    def ask(self) -> None:
        asked = self._threads.submit(self._ask)
        self._asked.append(asked)
        # An answer may wait for the writer, who is the caller.
        wait([asked], timeout=PAUSE_SECONDS)

    def finish(self) -> int:
        """Wait until all is answered; return how often it was asked."""
        number = len(self._asked)
        for asked in self._asked:
            asked.result()
        self._asked.clear()
        return number

    def close(self) -> None:
        self._threads.shutdown()


class Between(scope.DataManager):
    """Asks when the backends before it have committed, and those after it have not."""

    def __init__(self, transaction: Any, sort_key: str, ask: Callable[[], object]) -> None:
        self.transaction_manager = transaction._manager
        self.sort_key = sort_key
        self._ask = ask

    def tpc_vote(self, transaction: Any) -> None:
        self._ask()


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


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def combination(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[True, False], ids=["departures", "plain"])
def has_departures(request: pytest.FixtureRequest) -> Any:
    """Whether the resource tells its clients what they have lost, and what came late."""
    return request.param


@pytest.fixture
def asking(
    combination: Any,
    has_departures: bool,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Any, list[Asking]]]:
    """An application, and those who ask at each moment between its commits."""
    all_asking: list[Asking] = []

    def ask() -> None:
        for one in all_asking:
            one.ask()

    # After the databases whose client holds records, before the other databases; after all
    # databases, before Redis; after the storage in memory, before everything else.
    moments = ("cliquet.memory:~", "~~cliquet.sql:0~", "~~cliquet.sql:~")

    def configure(config: Any) -> None:
        def on_change(event: Any) -> None:
            transaction = scope.current()
            if transaction is not None:
                for moment in moments:
                    transaction.join(Between(transaction, moment, ask))

        config.add_subscriber(on_change, "cliquet.events.ResourceChanged")

    # A storage in Redis commits an operation by itself, as the first participant.
    decide = own._Decision.tpc_vote

    def vote(decision: Any, transaction: Any) -> None:
        decide(decision, transaction)
        ask()

    monkeypatch.setattr(own._Decision, "tpc_vote", vote)
    settings = {
        "sync_enabled": str(has_departures),
        "toadstool_sync_departures": str(has_departures),
        "toadstool_create_principals": "system.Authenticated",
    }
    with running_combination(combination, request, configure=configure, **settings) as app:
        yield app, all_asking
        for one in all_asking:
            one.finish()
            one.close()


@pytest.mark.clause("E-11.3", "E-11.8", "E-12.1", "E-12.4")
@pytest.mark.parametrize("has_departures", [True], indirect=True)
@pytest.mark.parametrize("has_tokens", [True, False], ids=["tokens", "since"])
def test_who_asks_between_two_commits_misses_nothing(
    asking: tuple[Any, list[Asking]], has_tokens: bool
) -> None:
    app, all_asking = asking
    reader = user_id(app, READER)
    device = Device(app, has_tokens=has_tokens)
    device.synchronise()
    asked = Asking(device.synchronise)
    all_asking.append(asked)

    body = {"data": {"name": "a"}, "permissions": {"read": [reader]}}
    record_id = app.post_json(URL, body, headers=OWNER, status=201).json["data"]["id"]
    assert asked.finish()
    device.synchronise()
    assert device.ids == {record_id}

    url = f"{URL}/{record_id}"
    for readers, ids in (([], set()), ([reader], {record_id}), ([], set())):
        app.patch_json(url, {"permissions": {"read": readers}}, headers=OWNER, status=200)
        asked.finish()
        device.synchronise()
        assert device.ids == ids


@pytest.mark.clause("H-9.8", "B-18.7")
@pytest.mark.parametrize("has_departures", [False], indirect=True)
@pytest.mark.parametrize("way", ["create", "share", "batch"])
def test_a_list_between_two_commits_loses_no_record(
    asking: tuple[Any, list[Asking]], way: str
) -> None:
    app, all_asking = asking
    permissions = {"read": [user_id(app, READER)]}

    def create(**body: Any) -> str:
        answer = app.post_json(URL, {"data": {"name": "a"}, **body}, headers=OWNER, status=201)
        created: str = answer.json["data"]["id"]
        return created

    # Without any shared record, a list is 403.
    known = create(permissions=permissions)
    target = "" if way == "create" else create()
    device = Device(app, has_tokens=False)
    device.synchronise()
    assert device.ids == {known}
    asked = Asking(device.synchronise)
    all_asking.append(asked)

    if way == "create":
        target = create(permissions=permissions)
    elif way == "share":
        body = {"permissions": permissions}
        app.patch_json(f"{URL}/{target}", body, headers=OWNER, status=200)
    else:
        path = f"{URL.removeprefix('/v0')}/{target}"
        one = {"method": "PATCH", "path": path, "body": {"permissions": permissions}}
        app.post_json("/v0/batch", {"requests": [one]}, headers=OWNER, status=200)
    assert asked.finish()
    device.synchronise()

    assert device.ids == {known, target}
