"""What every storage promises, and what is particular to this one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cliquet.storage.exceptions import BackendError
from cliquet.testing.storage import UntransactedStorageContract
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth
from webtest import TestApp

import bookmarks
import jsonfiles

ALICE = basic_auth("alice", "secret")


class TestContract(UntransactedStorageContract):
    """The suite of the library: some 600 tests."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> jsonfiles.Storage:
        """Return an empty storage."""
        storage = jsonfiles.Storage(tmp_path / "data")
        storage.initialize_schema()
        return storage


def served(folder: Path) -> TestApp:
    own = {"storage_backend": "jsonfiles", "storage_url": str(folder)}
    settings = {**MEMORY_BACKENDS, **own, "userid_hmac_secret": "of the tests"}
    return TestApp(bookmarks.main({}, **settings))


def add(app: TestApp, url: str, status: int = 201) -> dict[str, Any]:
    body = {"data": {"url": url}}
    return dict(app.post_json("/v1/bookmarks", body, headers=ALICE, status=status).json)


def urls(app: TestApp) -> list[str]:
    return [one["url"] for one in app.get("/v1/bookmarks", headers=ALICE).json["data"]]


def test_another_process_finds_the_records_again(tmp_path: Path) -> None:
    created = add(served(tmp_path), "https://example.com/")["data"]
    app = served(tmp_path)

    assert app.get("/v1/bookmarks", headers=ALICE).json["data"] == [created]
    etag = app.get("/v1/bookmarks", headers=ALICE).headers["ETag"]
    assert etag == f'"{created["last_modified"]}"'


def test_people_can_read_the_files(tmp_path: Path) -> None:
    add(served(tmp_path), "https://example.com/")

    (path,) = tmp_path.glob("bookmark-*.json")
    (entry,) = json.loads(path.read_text("utf-8"))["entries"]
    assert entry["data"] == {"url": "https://example.com/"}


def test_a_batch_keeps_what_succeeds(tmp_path: Path) -> None:
    app = served(tmp_path)
    requests = [
        {"path": "/bookmarks", "method": "POST", "body": {"data": {"url": url}}}
        for url in ("https://example.com/", "no address")
    ]
    app.post_json("/v1/batch", {"requests": requests}, headers=ALICE)

    assert urls(app) == urls(served(tmp_path)) == ["https://example.com/"]


def test_a_full_disk_is_503_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError("No space left on device")

    app = served(tmp_path)
    add(app, "https://example.com/")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        add(app, "https://example.org/", status=503)

    assert urls(app) == urls(served(tmp_path)) == ["https://example.com/"]


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError):
        served(tmp_path / "file" / "data")
