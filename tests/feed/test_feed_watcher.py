"""The thread that asks which collections have changed, on a real storage of each kind."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.redis import redis_process
from support.configured import config_of, loading

from cliquet.feed import watcher as watcher_module
from cliquet.feed.watcher import Watcher
from cliquet.storage import StorageBase, memory, postgresql, redis, sqlite
from cliquet.storage.exceptions import BackendError
from cliquet.storage.selection import CollectionKey
from cliquet.storage.watching import ChangeWatch, Position
from cliquet.testing.bounded import PATIENCE_SECONDS, wait_until

HERE = CollectionKey(collection_id="mushroom", parent_id="alice")
THERE = CollectionKey(collection_id="mushroom", parent_id="bob")


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def storage(request: Any, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield memory.load_from_config(None)
    elif request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/data.db"
        made: Any = sqlite.load_from_config(config_of({"storage_url": url}))
        yield made
        made.client.dispose()
    elif request.param == "postgresql":
        url = request.getfixturevalue("postgresql_module_url")
        made = loading(postgresql, "storage")(url)
        made.initialize_schema()
        made.flush()
        yield made
        made.client.dispose()
    else:
        made = redis.Storage(request.getfixturevalue("redis_client"))
        made.flush()
        yield made


@pytest.fixture
def memory_storage() -> Any:
    return memory.load_from_config(None)


class Waiting:
    """Counts how often it was woken, and can wait for that."""

    def __init__(self) -> None:
        self.positions: list[Position | None] = []
        self._woken = threading.Condition()

    def __call__(self, position: Position | None) -> None:
        with self._woken:
            self.positions.append(position)
            self._woken.notify_all()

    def until(self, number: int) -> None:
        with self._woken:
            assert self._woken.wait_for(lambda: len(self.positions) >= number, PATIENCE_SECONDS)


def create(storage: Any, key: CollectionKey = HERE) -> Any:
    return storage.create(key.collection_id, key.parent_id, record={})


@pytest.mark.clause("E-14.5")
def test_a_change_of_the_collection_wakes_and_no_other(storage: StorageBase) -> None:
    create(storage)
    create(storage, THERE)
    watcher, here, there = Watcher(storage), Waiting(), Waiting()

    with watcher.watching(HERE, here), watcher.watching(THERE, there):
        # Both are woken once at the beginning.
        here.until(1)
        there.until(1)
        record = create(storage)
        here.until(2)

    assert here.positions[1].timestamp == record["last_modified"]
    assert len(there.positions) == 1


@pytest.mark.clause("E-14.5")
def test_who_watches_an_untouched_collection_hears_of_its_first_record(
    storage: StorageBase,
) -> None:
    watcher, here = Watcher(storage), Waiting()

    with watcher.watching(HERE, here):
        here.until(1)
        create(storage)
        here.until(2)

    assert here.positions[0] is None


@pytest.mark.clause("E-14.5")
def test_the_thread_begins_with_the_first_and_ends_after_the_last(
    memory_storage: StorageBase,
) -> None:
    watcher = Watcher(memory_storage)
    assert not watcher.is_running

    with watcher.watching(HERE, Waiting()):
        with watcher.watching(THERE, Waiting()):
            assert watcher.is_running
        assert watcher.is_running
    wait_until(lambda: not watcher.is_running)

    again = Waiting()
    with watcher.watching(HERE, again):
        again.until(1)


@pytest.mark.clause("E-14.5")
def test_a_thread_that_cannot_be_started_is_started_for_the_next_one(
    memory_storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, here = Watcher(memory_storage), Waiting()

    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError), watcher.watching(HERE, Waiting()):
            pass
    assert not watcher.is_running

    with watcher.watching(HERE, here):
        here.until(1)
    wait_until(lambda: not watcher.is_running)


class Asked:
    """A storage that counts what it is asked, and fails when it is told to."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        self.keys: list[int] = []
        self.fails = False

    def collection_positions(self, keys: Any) -> Any:
        self.keys.append(len(keys))
        if self.fails:
            raise BackendError(message="It is gone.")
        return self.storage.collection_positions(keys)

    def watch_changes(self) -> Any:
        return self.storage.watch_changes()


class Polled(Asked):
    """The same for a storage of another process, which has to be asked all the time."""

    def watch_changes(self) -> ChangeWatch:
        return ChangeWatch()


@pytest.mark.clause("E-14.5")
def test_all_collections_are_asked_for_together(memory_storage: StorageBase) -> None:
    asked = Polled(memory_storage)
    watcher, last = Watcher(asked), Waiting()  # type: ignore[arg-type]

    with watcher.watching(HERE, last), watcher.watching(THERE, last):
        last.until(2)
        wait_until(lambda: len(asked.keys) >= 3)

    assert set(asked.keys[1:]) == {2}


@pytest.mark.clause("E-14.5")
def test_a_storage_that_tells_of_changes_is_not_asked_in_vain(memory_storage: StorageBase) -> None:
    asked = Asked(memory_storage)
    watcher, here = Watcher(asked), Waiting()  # type: ignore[arg-type]

    with watcher.watching(HERE, here):
        here.until(1)
        time.sleep(3 * watcher_module.INTERVAL_SECONDS)

    assert len(asked.keys) == 1


@pytest.mark.clause("E-14.5")
def test_changes_in_memory_wake_at_once(
    memory_storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, here = Watcher(memory_storage), Waiting()

    with watcher.watching(HERE, here):
        here.until(1)
        monkeypatch.setattr(watcher_module, "INTERVAL_SECONDS", 2 * PATIENCE_SECONDS)
        for number in range(2, 12):
            create(memory_storage)
            here.until(number)

    # It wakes the thread, which finds that nobody is there.
    create(memory_storage)
    wait_until(lambda: not watcher.is_running)


@pytest.mark.clause("E-14.5")
def test_the_thread_outlives_failures_of_the_storage(
    memory_storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "INTERVAL_SECONDS", 0.01)
    asked = Polled(memory_storage)
    watcher, here = Watcher(asked), Waiting()  # type: ignore[arg-type]

    with watcher.watching(HERE, here):
        here.until(1)
        asked.fails = True
        number = len(asked.keys)
        wait_until(lambda: len(asked.keys) >= number + 3)
        create(memory_storage)
        asked.fails = False
        here.until(2)

    wait_until(lambda: not watcher.is_running)


@pytest.mark.clause("E-14.5")
def test_a_replaced_file_is_watched(tmp_path: Path) -> None:
    """The watch of SQLite keeps a connection, which must not stay with a file that is gone."""
    path = tmp_path / "data.db"
    made: Any = sqlite.load_from_config(config_of({"storage_url": f"sqlite:///{path}"}))
    other: Any = sqlite.load_from_config(config_of({"storage_url": f"sqlite:///{path}.new"}))
    create(made)
    create(other)
    create(other)
    other.client.dispose()
    watcher, here = Watcher(made), Waiting()

    with watcher.watching(HERE, here):
        here.until(1)
        os.replace(f"{path}.new", path)
        here.until(2)
    made.client.dispose()


@pytest.mark.clause("E-14.5")
def test_a_forked_process_watches_for_itself(memory_storage: StorageBase) -> None:
    """Gunicorn forks its workers from the process that has loaded the application."""
    watcher, here = Watcher(memory_storage), Waiting()

    with watcher.watching(HERE, here):
        here.until(1)
        child = os.fork()
        if child == 0:
            own = Waiting()
            try:
                with watcher.watching(THERE, own):
                    own.until(1)
                    create(memory_storage, THERE)
                    own.until(2)
                os._exit(0 if len(here.positions) == 1 else 2)
            except BaseException:
                os._exit(1)
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.clause("E-14.5")
def test_the_watcher_outlives_a_restart_of_redis(
    processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "INTERVAL_SECONDS", 0.05)
    here = Waiting()
    with redis_process(is_durable=True) as server:
        made: Any = loading(redis, "storage")(server.url)
        create(made)
        with Watcher(made).watching(HERE, here):
            here.until(1)
            server.stop()
            time.sleep(0.2)
            server.start()
            create(made)
            here.until(2)
