"""Redis after a failover, and Redis behind TLS: the server is the one that is meant."""

import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from servers.forwarding import forwarding
from servers.redis import redis_process
from servers.starting import run_program
from support.configured import config_of

from cliquet.cache import redis as cache_module
from cliquet.connections.redis.client import create_from_config
from cliquet.permission import redis as permission_module
from cliquet.storage import redis as storage_module
from cliquet.storage.exceptions import BackendError, ReadonlyError
from cliquet.testing.bounded import Thread
from cliquet.testing.storage.common import HOME, create

POOL_SIZE = 5


@pytest.fixture(scope="module")
def servers(processes: None) -> Iterator[Any]:
    """A primary and its replica."""
    with (
        redis_process() as primary,
        redis_process("--replicaof", "127.0.0.1", str(primary.port)) as replica,
    ):
        with redis.Redis(port=replica.port) as client:
            deadline = time.monotonic() + 60
            while client.info("replication")["master_link_status"] != "up":
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield SimpleNamespace(primary=primary.port, replica=replica.port)


BACKENDS = {
    "storage": (storage_module, create),
    "permission": (
        permission_module,
        lambda backend: backend.add_user_principal("alice", "group:readers"),
    ),
    "cache": (cache_module, lambda backend: backend.set("key", "value")),
}


def make_backend(kind: Any, port: Any) -> Any:
    settings = {
        f"{kind}_url": f"redis://127.0.0.1:{port}/3",
        f"{kind}_pool_size": POOL_SIZE,
        "cache_prefix": "",
    }
    return BACKENDS[kind][0].load_from_config(config_of(settings))


def client_of(backend: Any) -> Any:
    return backend._database.client if hasattr(backend, "_database") else backend._client


def fill_pool(client: Any) -> None:
    """Open all the connections of the pool."""
    pool = client.connection_pool
    connections = [pool.get_connection() for _ in range(POOL_SIZE)]
    for connection in connections:
        pool.release(connection)


@pytest.mark.clause("B-21.7", "B-2.5")
@pytest.mark.parametrize("kind", list(BACKENDS))
def test_after_a_failover_one_write_fails_and_the_next_succeeds(
    servers: SimpleNamespace, kind: str
) -> None:
    with forwarding(servers.replica) as address:
        backend = make_backend(kind, address.port)
        write = BACKENDS[kind][1]
        fill_pool(client_of(backend))
        address.target = servers.primary

        with pytest.raises(ReadonlyError):
            write(backend)  # type: ignore[operator]
        for _ in range(3 * POOL_SIZE):
            write(backend)  # type: ignore[operator]

        client_of(backend).close()


@pytest.mark.clause("B-2.5")
def test_a_replica_that_has_lost_its_primary_is_left(servers: SimpleNamespace) -> None:
    with (
        redis_process("--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no") as lost,
        forwarding(lost.port) as address,
    ):
        storage = make_backend("storage", address.port)
        fill_pool(client_of(storage))
        address.target = servers.primary

        with pytest.raises(BackendError, match="MASTER"):
            storage.list_all(**HOME)
        for _ in range(2 * POOL_SIZE):
            storage.list_all(**HOME)

        client_of(storage).close()


@pytest.mark.clause("B-21.7")
def test_who_only_reads_from_a_replica_keeps_the_connection(servers: SimpleNamespace) -> None:
    storage = make_backend("storage", servers.replica)

    def name() -> Any:
        return client_of(storage).client_id()

    before = name()
    for _ in range(3):
        storage.list_all(**HOME)

    assert name() == before
    client_of(storage).close()


@pytest.mark.clause("B-21.35")
def test_all_threads_get_a_connection_after_a_failover(servers: SimpleNamespace) -> None:
    with forwarding(servers.replica) as address:
        cache = make_backend("cache", address.port)
        fill_pool(client_of(cache))
        with pytest.raises(ReadonlyError):
            cache.set("key", 1)
        address.target = servers.primary
        done = []

        def write() -> None:
            for n in range(10):
                cache.set(f"key-{n}", n)
                done.append(n)

        threads = [Thread(target=write) for _ in range(2 * POOL_SIZE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(done) == 20 * POOL_SIZE
        client_of(cache).close()


# TLS


@pytest.fixture
def certificate(processes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a certificate of a host, which this process trusts; return the context of a server."""

    def make(host: Any) -> Any:
        key, path = tmp_path / "key.pem", tmp_path / "certificate.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
        run_program(
            [*command, *names, "-keyout", str(key), "-out", str(path)],
            check=True,
            capture_output=True,
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path, key)
        return context

    return make


@pytest.mark.clause("S-13.1")
@pytest.mark.parametrize(("host", "is_trusted"), [("localhost", True), ("redis.example", False)])
def test_the_certificate_must_be_that_of_the_host(
    servers: SimpleNamespace, certificate: Callable[..., Any], host: str, is_trusted: bool
) -> None:
    with forwarding(servers.primary, certificate(host)) as address:
        settings = {"url": f"rediss://localhost:{address.port}/3", "pool_size": 1}
        client = create_from_config(config_of(settings))

        if is_trusted:
            assert client.ping()
        else:
            with pytest.raises((redis.ConnectionError, OSError), match=r"(?i)hostname mismatch"):
                client.ping()
        client.close()
