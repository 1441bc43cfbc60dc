"""The URL of PostgreSQL: several hosts, and options of the driver that are checked at the start."""

from typing import Any

import psycopg2
import pytest
from servers.forwarding import forwarding
from servers.processes import free_port
from support.configured import config_of

from cliquet import settings
from cliquet.storage.exceptions import BackendError
from cliquet.storage.postgresql import client as published

SEVERAL = "postgresql://u:p@db1,db2/name?target_session_attrs=read-write&connect_timeout=3"


def make_client(url: str, **given: Any) -> Any:
    return published.create_from_config(config_of({"storage_url": url, **given}), "storage_")


def options_of(url: str, **given: Any) -> dict[str, Any]:
    """Return what the driver is given."""
    client = make_client(url, **given)
    engine = client.engine
    _, options = engine.dialect.create_connect_args(engine.url)
    return {name: str(value) for name, value in options.items()}


@pytest.mark.clause("E-21.3", "B-11.5")
@pytest.mark.parametrize(
    ("hosts", "read"),
    [
        ("db1,db2", ("db1,db2", ",")),
        ("db1:5433,db2:5434", ("db1,db2", "5433,5434")),
        # The port belongs to its host alone, as for libpq.
        ("db1,db2:5434", ("db1,db2", ",5434")),
        ("[::1]:5433,[fe80::2],db3", ("::1,fe80::2,db3", "5433,,")),
        ("10.0.0.1,10.0.0.2", ("10.0.0.1,10.0.0.2", ",")),
    ],
)
@pytest.mark.parametrize("user", ["u:p@", "u:p/,@", "u@", ""])
def test_several_hosts_are_read_as_libpq_reads_them(
    hosts: str, read: tuple[str, str], user: str
) -> None:
    options = options_of(f"postgresql://{user}{hosts}/name")

    assert (options["host"], options["port"], options["dbname"]) == (*read, "name")
    assert options.get("password", "") == user.rstrip("@").partition(":")[2]


@pytest.mark.clause("E-21.3")
def test_of_several_hosts_the_one_that_accepts_writes_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    several = "postgresql://u@db1,db2/name"

    def attributes(url: str, **given: Any) -> str | None:
        return options_of(url, **given).get("target_session_attrs")

    assert attributes(several) == "read-write"
    assert attributes("postgresql://u@/name?host=db1:5433&host=db2") == "read-write"
    assert attributes(f"{several}?target_session_attrs=prefer-standby") == "prefer-standby"
    assert attributes(several, readonly=True) is None
    assert attributes("postgresql://u@db1/name") is None
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "any")
    assert attributes("postgresql://u@db3,db4/name") is None


@pytest.mark.clause("E-21.3", "E-21.4")
def test_the_options_of_the_url_come_before_the_defaults() -> None:
    options = options_of(f"{SEVERAL}&tcp_user_timeout=7000")

    assert (options["connect_timeout"], options["tcp_user_timeout"]) == ("3", "7000")
    assert (options["keepalives_idle"], options["keepalives_count"]) == ("30", "3")


@pytest.mark.clause("E-21.3", "S-11.7")
@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ("postgresql://u:secret@db1,/name", "[,host[:port]...]"),
        ("postgresql://u:secret@,db1/name", "[,host[:port]...]"),
        ("postgresql://u:secret@db1,db2:many/name", "[,host[:port]...]"),
        ("postgresql://u:secret@db1,db2:65536/name", "[,host[:port]...]"),
        ("postgresql://u:secret@db1:0,db2/name", "[,host[:port]...]"),
        ("postgresql://u:secret@db1, db2/name", "[,host[:port]...]"),
        ("postgresql://u:sec@ret@db1,db2/name", "%40"),
        (f"{SEVERAL}&target_session_attrs=writable", "target_session_attrs=any|read-write|"),
        ("postgresql://u:secret@db/x?target_session_attrs=rw", "target_session_attrs=any|"),
        ("postgresql://u:secret@db/x?connect_timeout=3s", "connect_timeout=NUMBER"),
        ("postgresql://u:secret@db/x?tcp_user_timeout=5.0", "tcp_user_timeout=NUMBER"),
        ("postgresql://u:secret@db/x?conect_timeout=3", 'invalid connection option "conect_tim'),
    ],
)
def test_what_cannot_work_stops_the_start(wrong: str, allowed: str) -> None:
    with pytest.raises(settings.SettingError) as caught:
        make_client(wrong)

    assert "storage_url" in str(caught.value)
    assert allowed in str(caught.value)
    assert "sec" not in str(caught.value).replace("secret_", "")


@pytest.mark.clause("E-21.3")
def test_the_server_that_was_the_right_one_is_tried_first(postgresql_url: str) -> None:
    """Otherwise each new connection would wait for a host that is gone."""
    server, _, name = postgresql_url.rpartition("/")
    port = server.rpartition(":")[2]
    client = make_client(f"postgresql://postgres@localhost:{free_port()},127.0.0.1:{port}/{name}")
    asked = []

    def connect(*arguments: Any, **options: Any) -> Any:
        asked.append(options["host"])
        return psycopg2.connect(*arguments, **options)

    client.engine.dialect.connect = connect
    with client.connect(readonly=True), client.connect(readonly=True):
        pass

    assert asked == ["localhost", "127.0.0.1", "127.0.0.1"]
    client.dispose()


@pytest.mark.clause("E-21.3")
def test_a_proxy_without_a_server_behind_it_is_no_server(postgresql_url: str) -> None:
    server, _, name = postgresql_url.rpartition("/")
    port = server.rpartition(":")[2]
    with forwarding(free_port()) as proxy:
        hosts = f"127.0.0.1:{proxy.port},127.0.0.1:{port}"
        client = make_client(f"postgresql://postgres@{hosts}/{name}")
        with client.connect(readonly=True) as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
        client.dispose()


@pytest.mark.clause("E-21.3")
def test_a_standby_is_preferred_where_the_url_says_so(postgresql_url: str) -> None:
    """There is none, so that the second round finds the primary."""
    server, _, name = postgresql_url.rpartition("/")
    port = server.rpartition(":")[2]
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{port}"
    client = make_client(
        f"postgresql://postgres@{hosts}/{name}?target_session_attrs=prefer-standby"
    )
    with client.connect(readonly=True) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    client.dispose()


@pytest.mark.clause("E-21.3")
def test_if_none_of_several_can_be_reached_the_error_names_them_all() -> None:
    ports = free_port(), free_port()
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    client = make_client(f"postgresql://postgres@{hosts}/name")

    with pytest.raises(BackendError) as caught, client.connect(readonly=True):
        pass

    assert all(f"port {port} failed" in str(caught.value) for port in ports)
