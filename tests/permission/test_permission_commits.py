"""Who asks between the commit of records and that of permissions waits for the permissions."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any

import pytest
from support.combinations import running_combination

from cliquet.connections import attempts
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Threads
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import scope

PATIENCE_SECONDS = 60
BRIEFLY_SECONDS = 0.1
OBJECT = "/toadstools/1"

pytestmark = pytest.mark.clause("B-18.7", "H-9.8")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def permission(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running_combination(("sqlite", request.param, False), request) as app:
        yield app.app.registry.permission


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(3)
    yield threads
    threads.shutdown()


class FailedError(Exception):
    pass


class Stop(scope.DataManager):
    """Stops a commit between that of the records and that of the permissions."""

    sort_key = "~~cliquet.sql:0"

    def __init__(self, object_id: str = OBJECT) -> None:
        self.is_there = threading.Event()
        self.goes_on = threading.Event()
        self.fails = False
        self._object_id = object_id

    def tpc_vote(self, transaction: Any) -> None:
        self.is_there.set()
        assert self.goes_on.wait(PATIENCE_SECONDS)
        if self.fails:
            raise FailedError

    def write(self, permission: Any) -> None:
        with request_transaction() as transaction:
            self.transaction_manager = transaction._manager
            transaction.join(self)
            permission.add_principal_to_ace(self._object_id, "read", "ann")

    def run(self, threads: Threads, permission: Any) -> Future[Any]:
        written = threads.submit(lambda: self.write(permission))
        assert self.is_there.wait(PATIENCE_SECONDS)
        return written


def is_granted(permission: Any) -> bool:
    return "ann" in permission.object_permission_principals(OBJECT, "read")


def waits(asked: Future[Any]) -> bool:
    return not wait([asked], timeout=BRIEFLY_SECONDS).done


def test_what_is_being_committed_is_there_after_the_wait(permission: Any, threads: Threads) -> None:
    stop = Stop()
    written = stop.run(threads, permission)
    assert not is_granted(permission)

    def ask() -> bool:
        permission.wait_for_commits()
        return is_granted(permission)

    asked = threads.submit(ask)
    assert waits(asked)
    stop.goes_on.set()

    assert asked.result() is True
    written.result()


def test_nobody_waits_if_nothing_is_being_committed(permission: Any, threads: Threads) -> None:
    permission.wait_for_commits()
    with request_transaction():
        permission.add_principal_to_ace(OBJECT, "read", "ann")
        # The writer does not wait for itself.
        permission.wait_for_commits()

    # Otherwise it would be an error after some seconds.
    assert threads.submit(permission.wait_for_commits).result() is None


def test_a_commit_that_fails_is_not_waited_for(permission: Any, threads: Threads) -> None:
    stop = Stop()
    stop.fails = True
    written = stop.run(threads, permission)
    asked = threads.submit(permission.wait_for_commits)
    stop.goes_on.set()

    with pytest.raises(FailedError):
        written.result()
    assert asked.result() is None
    assert not is_granted(permission)


@pytest.mark.clause("B-2.5")
def test_the_wait_has_an_end(
    permission: Any, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MAX_WAIT_SECONDS", BRIEFLY_SECONDS)
    if hasattr(permission, "_store"):
        monkeypatch.setattr(permission._store, "_lock_timeout_seconds", BRIEFLY_SECONDS)
    stop = Stop()
    written = stop.run(threads, permission)

    with pytest.raises(BackendError) as raised:
        permission.wait_for_commits()

    assert raised.value.retryable
    stop.goes_on.set()
    written.result()


@pytest.mark.parametrize("family", ["sqlite", "postgresql"])
def test_in_one_database_nothing_is_asked_or_said(
    family: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_combination((family, family, True), request) as app:
        permission = app.app.registry.permission
        client, asked = permission.client, []
        monkeypatch.setattr(client, "wait_for_commits", lambda: asked.append(client))
        sent = executed(monkeypatch, client)
        with request_transaction():
            permission.add_principal_to_ace(OBJECT, "read", "ann")
        permission.wait_for_commits()

    assert asked == []
    assert not [one for one in sent if "advisory_xact_lock_shared" in one]


@pytest.mark.usefixtures("processes")
def test_postgresql_waits_for_those_alone_who_were_there(
    request: pytest.FixtureRequest, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_combination(("sqlite", "postgresql", False), request) as app:
        permission = app.app.registry.permission
        look, has_looked = permission.client._committing, threading.Event()

        def looking() -> Any:
            found = look()
            has_looked.set()
            return found

        monkeypatch.setattr(permission.client, "_committing", looking)
        first, second = Stop(), Stop("/toadstools/2")
        written = [first.run(threads, permission)]
        asked = threads.submit(permission.wait_for_commits)
        assert has_looked.wait(PATIENCE_SECONDS)
        written.append(second.run(threads, permission))
        first.goes_on.set()

        assert asked.result() is None
        assert is_granted(permission)
        second.goes_on.set()
        for one in written:
            one.result()


@pytest.mark.clause("B-15.15", "E-12.1")
@pytest.mark.parametrize("by_pattern", [False, True])
def test_a_deletion_of_many_objects_sees_what_is_being_committed(
    permission: Any, threads: Threads, by_pattern: bool
) -> None:
    """So many are not locked one by one in PostgreSQL."""
    ids = [f"/toadstools/{number}" for number in range(150)]
    stop = Stop()
    written = stop.run(threads, permission)
    before: list[Any] = []

    def delete() -> None:
        with request_transaction():
            if by_pattern:
                permission.delete_object_permissions("/toadstools/*")
            else:
                before.extend(permission.take_object_permissions(ids))

    # The records that it deletes are locked, and were written before.
    deleted = threads.submit(delete)
    assert waits(deleted)
    stop.goes_on.set()
    written.result()
    deleted.result()

    assert permission.get_objects_permissions(ids) == [{}] * 150
    if not by_pattern:
        assert before[1] == {"read": {"ann"}}


def executed(monkeypatch: pytest.MonkeyPatch, client: Any) -> list[str]:
    """Return the texts that sessions of a client send, as they are sent."""
    sent: list[str] = []
    lend: Callable[..., Any] = client.session_factory

    def lending(**options: Any) -> Any:
        session = lend(**options)
        execute = session.execute

        def executing(text: str, *rest: Any) -> Any:
            sent.append(text)
            return execute(text, *rest)

        session.execute = executing
        return session

    monkeypatch.setattr(client, "session_factory", lending)
    return sent
