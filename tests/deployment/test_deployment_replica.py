"""The example service where it may only read: on a standby of PostgreSQL, or without rights."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from servers.forwarding import forwarding
from servers.postgresql import PostgreSQLProcess, new_database, running_postgresql
from servers.postgresql_standby import running_standby
from testapp import Mushroom
from webtest import TestApp

from cliquet.testing.web import basic_auth, make_app
from deployment.service import (
    GUNICORN,
    MUSHROOMS,
    USER,
    Service,
    deployed,
    on_postgresql,
    wait_until,
)

SECRET = "secret-of-the-tests"
READER = "mushrooms_reader"
# As docs/deploy/databases.rst has them.
GRANTS = (
    f"CREATE ROLE {READER} LOGIN",
    f"GRANT USAGE ON SCHEMA public TO {READER}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}",
)


@pytest.fixture(scope="module")
def primary(processes: None) -> Iterator[Any]:
    """A PostgreSQL of one's own, since a standby copies all the databases of a server."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def database(primary: Any) -> Iterator[Any]:
    """URL of a database with the tables of the service, and a role that may only read them."""
    import psycopg2

    with new_database(primary.url) as url:
        storage = writing_application(url).app.registry.storage
        with contextlib.closing(psycopg2.connect(url)) as connection, connection:
            for statement in GRANTS:
                connection.cursor().execute(statement)
        yield url
        storage.client.dispose()


def writing_application(url: Any) -> Any:
    """Return a client of the service that may write, in this process; create its tables."""
    app = application(url)
    app.app.registry.storage.initialize_schema()
    app.app.registry.permission.initialize_schema()
    return app


def application(url: Any) -> TestApp:
    """Return a client of the service that may write, in this process."""
    settings = {"userid_hmac_secret": SECRET, "cache_backend": ""}
    for kind in ("storage", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.postgresql"
        settings[f"{kind}_url"] = url
    return make_app([Mushroom], settings=settings)


@pytest.fixture(scope="module", params=["role", "standby"])
def reader(request: pytest.FixtureRequest, primary: Any, database: Any) -> Iterator[Any]:
    """The service with ``readonly``, as a role that may only read, or on a standby."""
    with contextlib.ExitStack() as stack:
        if request.param == "role":
            url = database.replace("//postgres@", f"//{READER}@")
        else:
            url = database.replace(primary.url, stack.enter_context(running_standby(primary)).url)
        settings = {
            **on_postgresql(url)(None),
            "CLIQUET_READONLY": "true",
            # Neither is there any need of one, nor could it write.
            "CLIQUET_CACHE_BACKEND": "",
        }
        yield stack.enter_context(deployed(GUNICORN.alone(), lambda folder: settings))


@pytest.mark.clause("S-7.4", "H-31.1", "E-9.1")
@pytest.mark.setting("readonly")
def test_it_serves_what_the_primary_wrote_and_refuses_to_write(
    reader: Service, database: str
) -> None:
    writer = writing_application(database)
    name = uuid.uuid4().hex
    created = writer.post_json("/v0/mushrooms", {"data": {"name": name}}, headers=USER)
    record = created.json["data"]

    # A standby is a moment late.
    read = wait_until(lambda: found(reader, record["id"]))
    listed = reader.send("GET", MUSHROOMS)
    written = reader.create("Cep")

    assert (read.data["name"], read.headers["etag"]) == (name, f'"{record["last_modified"]}"')
    assert name in {item["name"] for item in listed.data}
    assert listed.headers["etag"] == f'"{record["last_modified"]}"'
    assert (written.status, written.json["errno"]) == (405, 115)
    writer.app.registry.storage.client.dispose()


def found(service: Any, object_id: Any) -> Any:
    answer = service.send("GET", f"{MUSHROOMS}/{object_id}")
    return answer if answer.status == 200 else None


@pytest.mark.clause("S-7.5")
def test_it_is_well(reader: Service) -> None:
    answer = reader.send("GET", "/v1/__heartbeat__")
    assert (answer.status, answer.json) == (200, {"storage": True, "permission": True})


@pytest.mark.clause("S-7.6", "H-26.9", "B-4.15")
def test_a_collection_that_nobody_has_touched_explains_itself(reader: Service) -> None:
    answer = reader.send("GET", MUSHROOMS, user=basic_auth(uuid.uuid4().hex))

    assert (answer.status, answer.json["errno"], answer.headers["retry-after"]) == (503, 201, "30")
    assert answer.json["message"] == (
        "Collection timestamp cannot be written. "
        "Records endpoint must be hit at least once from a writable instance."
    )


@pytest.mark.clause("B-21.7", "B-2.5", "H-26.8")
def test_after_a_failover_one_write_fails_and_the_next_succeeds(
    primary: PostgreSQLProcess, database: str
) -> None:
    """The address of the primary led to a standby when the connections were made."""
    with running_standby(primary) as standby, forwarding(standby.port) as address:
        url = database.replace(str(primary.port), str(address.port))
        app = application(url)
        for _ in range(3):
            # Nothing that a standby refuses.
            app.get(f"/v0/mushrooms/{uuid.uuid4()}", headers=USER, status=404)
        address.target = primary.port

        statuses = [
            app.post_json("/v0/mushrooms", {"data": {"name": "a"}}, headers=USER, status="*")
            for _ in range(20)
        ]

        assert [answer.status_int for answer in statuses] == [503] + [201] * 19
        assert statuses[0].headers["Retry-After"] == "30"
        assert app.get("/v0/__heartbeat__").json["storage"] is True
        app.app.registry.storage.client.dispose()
