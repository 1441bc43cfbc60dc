"""What a request may take of a database, and what its client is told when that is not enough."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import colander
import psycopg2
import pytest
from support.busy import BUSY_SECONDS
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

HEADERS = basic_auth("mat")


class Lichen(resource.UserResource):
    """Records whose list takes long, if the client wants that."""

    class LichenSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = LichenSchema()
    writes: list[object] = []

    def collection_post(self) -> Any:
        self.writes.append(self.request)
        return super().collection_post()

    def collection_get(self) -> Any:
        if "Slow" in self.request.headers:
            storage: Any = self.request.registry.storage
            with storage.client.connect(readonly=True) as session:
                session.execute("SELECT pg_sleep(20)")
        return super().collection_get()


@pytest.fixture
def app(postgresql_url: str) -> Iterator[TestApp]:
    settings = {
        "storage_backend": "cliquet.storage.postgresql",
        "storage_url": postgresql_url,
        "statement_timeout_seconds": "1",
        "lock_timeout_seconds": "0.4",
    }
    app = make_app([Lichen], settings=settings)
    app.app.registry.storage.initialize_schema()
    app.post_json("/v0/lichens", headers=HEADERS)
    yield app
    app.app.registry.storage.client.dispose()


def assert_given_up(answer: Any, setting: Any) -> None:
    assert answer.status_int == 503
    assert answer.json["errno"] == 201
    assert setting in answer.json["message"]
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.clause("X-34", "H-26.8", "H-27.3")
@pytest.mark.setting("statement_timeout_seconds")
def test_a_statement_that_takes_too_long_is_503(app: TestApp) -> None:
    started = time.monotonic()
    slow = app.get("/v0/lichens", headers={**HEADERS, "Slow": "yes"}, status="*")

    assert time.monotonic() - started < 15
    assert_given_up(slow, "statement_timeout_seconds")
    app.get("/v0/lichens", headers=HEADERS)


@pytest.mark.clause("X-34", "D-38")
def test_in_a_batch_it_is_503_for_all_and_nothing_remains(app: TestApp) -> None:
    requests = [
        {"method": "POST", "path": "/v0/lichens", "body": {"data": {"name": "lost"}}},
        {"path": "/v0/lichens", "headers": {"Slow": "yes"}},
    ]
    batch = app.post_json("/v0/batch", {"requests": requests}, headers=HEADERS, status="*")

    assert_given_up(batch, "statement_timeout_seconds")
    assert app.get("/v0/lichens?name=lost", headers=HEADERS).json["data"] == []


@pytest.mark.clause("X-34", "H-26.8", "H-27.3")
@pytest.mark.setting("lock_timeout_seconds")
def test_a_lock_that_is_not_obtained_is_503_after_one_wait(
    app: TestApp, postgresql_url: str
) -> None:
    with contextlib.closing(psycopg2.connect(postgresql_url)) as other:
        other.cursor().execute("SELECT 1 FROM timestamps FOR UPDATE")
        Lichen.writes.clear()
        started = time.monotonic()
        refused = app.post_json("/v0/lichens", headers=HEADERS, status="*")
        waited = time.monotonic() - started

        assert_given_up(refused, "lock_timeout_seconds")
        # Not three times, as after a deadlock.
        assert len(Lichen.writes) == 1
        assert 0.3 < waited < BUSY_SECONDS
        # Who only reads waits for nobody, nor who writes elsewhere.
        app.get("/v0/lichens", headers=HEADERS)
        app.post_json("/v0/lichens", headers=basic_auth("alice"))
    app.post_json("/v0/lichens", headers=HEADERS)


@pytest.mark.clause("X-34", "E-1.4", "H-27.3")
@pytest.mark.setting("lock_timeout_seconds", "storage_busy_timeout_seconds")
@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"lock_timeout_seconds": "0.4"}, "lock_timeout_seconds"),
        (
            {"lock_timeout_seconds": "9", "storage_busy_timeout_seconds": "0.4"},
            "storage_busy_timeout_seconds",
        ),
    ],
)
def test_the_lock_of_a_file_is_waited_for_as_long(
    tmp_path: Path, given: dict[str, Any], setting: str
) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    settings = {"storage_backend": "cliquet.storage.sqlite", "storage_url": url, **given}
    app = make_app([Lichen], settings=settings)
    app.post_json("/v0/lichens", headers=HEADERS)
    with contextlib.closing(sqlite3.connect(tmp_path / "data.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        Lichen.writes.clear()
        started = time.monotonic()
        refused = app.post_json("/v0/lichens", headers=HEADERS, status="*")
        waited = time.monotonic() - started

        assert_given_up(refused, setting)
        assert len(Lichen.writes) == 1
        assert 0.3 < waited < BUSY_SECONDS
        app.get("/v0/lichens", headers=HEADERS)
    app.post_json("/v0/lichens", headers=HEADERS)
    app.app.registry.storage.client.dispose()
