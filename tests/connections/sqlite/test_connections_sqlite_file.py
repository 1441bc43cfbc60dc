"""The file of a database of SQLite: for its owner alone, and followed when it is replaced."""

import os
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from support.configured import config_of

from cliquet.cache import sqlite as cache_module
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.permission import sqlite as permission_module
from cliquet.storage import sqlite as storage_module
from cliquet.storage.exceptions import BackendError
from cliquet.testing.storage.common import HOME, create
from cliquet.testing.web import make_app

BACKENDS = {"storage": storage_module, "permission": permission_module, "cache": cache_module}


def make_backend(kind: Any, folder: Any) -> Any:
    settings = {f"{kind}_url": f"sqlite:///{folder}/data.db", "cache_prefix": ""}
    return BACKENDS[kind].load_from_config(config_of(settings))


def use(kind: Any, backend: Any) -> None:
    """Write, so that the log is there as well."""
    if kind == "storage":
        create(backend)
    elif kind == "permission":
        backend.add_user_principal("alice", "group:readers")
    else:
        backend.set("key", "value")


@pytest.fixture(params=list(BACKENDS))
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def modes(folder: Any) -> dict[Any, Any]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


# Who may read it


@pytest.mark.clause("E-1.3")
def test_new_files_are_for_their_owner_alone(kind: str, tmp_path: Path) -> None:
    backend = make_backend(kind, tmp_path)
    former = os.umask(0o022)
    try:
        use(kind, backend)
    finally:
        os.umask(former)

    name = "data.db-cache" if kind == "cache" else "data.db"
    assert modes(tmp_path) == {name: 0o600, f"{name}-wal": 0o600, f"{name}-shm": 0o600}
    backend.client.dispose()


@pytest.mark.clause("E-1.3")
def test_the_mode_of_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    path.touch()
    path.chmod(0o660)
    storage = make_backend("storage", tmp_path)

    create(storage)

    assert set(modes(tmp_path).values()) == {0o660}
    storage.client.dispose()


@pytest.mark.clause("E-1.2", "B-2.5")
def test_a_folder_that_was_removed_is_a_backend_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    storage = make_backend("storage", folder)
    folder.rmdir()

    with pytest.raises(BackendError, match="folder"):
        create(storage)


# Whether it is still the one in use


def backup(source: Any, target: Any) -> None:
    with sqlite3.connect(source) as opened, sqlite3.connect(target) as copy:
        opened.backup(copy)
    opened.close()
    copy.close()


@pytest.mark.clause("E-1.4", "B-2.5")
def test_a_file_that_takes_its_place_is_the_one_in_use_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    storage = make_backend("storage", tmp_path)
    create(storage, id="before")
    backup(path, tmp_path / "backup.db")
    # In the log, which stays where it is.
    create(storage, id="lost")
    assert (tmp_path / "data.db-wal").stat().st_size > 0

    os.replace(tmp_path / "backup.db", path)

    assert [record["id"] for record in storage.list_all(**HOME)] == ["before"]
    create(storage, id="after")
    storage.client.dispose()
    other = make_backend("storage", tmp_path)
    assert {record["id"] for record in other.list_all(**HOME)} == {"before", "after"}
    with sqlite3.connect(path) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    opened.close()
    other.client.dispose()


@pytest.mark.clause("E-1.4")
def test_each_process_follows_and_none_takes_the_log_of_another(tmp_path: Path) -> None:
    """Clients of two processes: each has connections of its own to the former file."""
    path = tmp_path / "data.db"
    first, second = SQLiteClient(path), SQLiteClient(path)
    storages = [storage_module.Storage(client) for client in (first, second)]
    for number, storage in enumerate(storages):
        create(storage, id=f"before-{number}")
    backup(path, tmp_path / "backup.db")
    create(storages[0], id="lost")

    os.replace(tmp_path / "backup.db", path)
    for number, storage in enumerate(storages):
        create(storage, id=f"after-{number}")

    for storage in storages:
        found = {record["id"] for record in storage.list_all(**HOME)}
        assert found == {"before-0", "before-1", "after-0", "after-1"}
        storage.client.dispose()


@pytest.mark.clause("E-1.4", "B-2.5")
def test_a_write_to_a_file_that_was_removed_is_refused_until_one_is_there(
    kind: str, tmp_path: Path
) -> None:
    backend = make_backend(kind, tmp_path)
    use(kind, backend)
    path = backend.client.path
    backup(path, tmp_path / "backup.db")
    path.unlink()

    for _ in range(2):
        with pytest.raises(BackendError, match="was removed"):
            use(kind, backend)
    assert not path.exists()
    shutil.move(tmp_path / "backup.db", path)

    use(kind, backend)
    backend.client.dispose()


@pytest.mark.clause("E-1.3", "B-2.5")
def test_a_file_without_tables_is_refused_and_left_alone(tmp_path: Path) -> None:
    storage = make_backend("storage", tmp_path)
    create(storage)
    path = storage.client.path
    path.unlink()
    path.touch()

    for _ in range(2):
        with pytest.raises(BackendError, match="without tables"):
            create(storage)
    storage.client.dispose()


@pytest.mark.clause("S-7.5", "H-26.8", "B-2.5")
@pytest.mark.parametrize("readonly", ["false", "true"])
def test_the_heartbeat_and_the_next_request_tell(tmp_path: Path, readonly: str) -> None:
    settings = {
        "storage_backend": "cliquet.storage.sqlite",
        "storage_url": f"sqlite:///{tmp_path}/data.db",
        "readonly": readonly,
    }
    create(make_backend("storage", tmp_path))
    app = make_app(settings=settings)
    assert app.get("/v0/__heartbeat__").json["storage"] is True

    (tmp_path / "data.db").rename(tmp_path / "elsewhere.db")

    assert app.get("/v0/__heartbeat__", status=503).json["storage"] is False
    (tmp_path / "elsewhere.db").rename(tmp_path / "data.db")
    assert app.get("/v0/__heartbeat__").json["storage"] is True
    app.app.registry.storage.client.dispose()
