"""Loops of the storages that others keep from ending, by what they do meanwhile: they end."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.configured import config_of

from cliquet.storage import StorageBase, postgresql
from cliquet.storage import redis as redis_module
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread
from cliquet.testing.storage.common import HOME, create

VANISHING = (
    "CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER vanish BEFORE INSERT ON timestamps FOR EACH ROW EXECUTE FUNCTION vanish()",
)


@pytest.fixture
def storage(postgresql_url: str) -> Iterator[Any]:
    """A storage whose rows of collections vanish, as if somebody purged them each time."""
    config = config_of({"storage_url": postgresql_url})
    storage = postgresql.load_from_config(config)
    storage.initialize_schema()
    with storage.client.connect() as session:
        for statement in VANISHING:
            session.execute(statement)
    yield storage
    # Those that would not end do now.
    with storage.client.connect() as session:
        session.execute("DROP TRIGGER vanish ON timestamps")
    storage.client.dispose()


def outcome_of(function: Any) -> Any:
    """Return what a function raises, within a time that it does not need."""
    outcomes = []

    def run() -> None:
        try:
            outcomes.append(function())
        except BackendError as error:
            outcomes.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert outcomes, "it does not end"
    return outcomes[0]


def judge(storage: Any, operation: Any) -> Any:
    return lambda: storage.atomic(lambda: operation(storage), **HOME)


@pytest.mark.clause("B-2.2", "B-23.8")
@pytest.mark.parametrize(
    "operation",
    [
        lambda storage: storage.update(**HOME, object_id="a", record={}),
        lambda storage: storage.delete(**HOME, object_id="a"),
        lambda storage: storage.collection_timestamp(**HOME),
        lambda storage: judge(storage, lambda s: s.get(**HOME, object_id="a"))(),
        lambda storage: judge(storage, lambda s: s.list_all(**HOME))(),
    ],
    ids=["update", "delete", "timestamp", "get under the lock", "list under the lock"],
)
def test_what_others_undo_is_attempted_so_often_and_may_be_run_again(
    storage: StorageBase, operation: Callable[..., Any]
) -> None:
    error = outcome_of(lambda: operation(storage))

    assert isinstance(error, BackendError)
    assert error.retryable


@pytest.mark.clause("B-2.2", "B-22.3")
def test_redis_makes_an_index_so_often(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"storage_url": redis_url, "storage_pool_size": 5}
    storage = redis_module.load_from_config(config_of(settings))
    create(storage, phone=1)
    # Somebody empties the database each time, as it were.
    monkeypatch.setattr(storage._database, "build_index", lambda home, name: None)

    error = outcome_of(
        lambda: storage.create(**HOME, record={"phone": 2}, unique_fields=("phone",))
    )

    assert isinstance(error, BackendError)
    assert error.retryable
