"""No password is in what a service says when it cannot start, or cannot reach a server."""

import io
import logging
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from scripts.command_line import run_process, write_ini
from servers.processes import free_port

from cliquet.settings import SettingError
from cliquet.testing.web import basic_auth, make_app

SECRET = "s3cr3t"

# The setting that is wrong, and its value; what is missing in it, or too much.
WRONG = [
    ("storage", "postgresql", f"postgresql://u:{SECRET}@host:port/db"),
    ("storage", "postgresql", f"postgresql://u:{SECRET}@[::1/db"),
    ("storage", "postgresql", f"postgresql://u:one@{SECRET}@host/db"),
    ("storage", "postgresql", f"postgresql://u:one/{SECRET}@two@host/db"),
    ("storage", "postgresql", f"mysql://u:{SECRET}@host/db"),
    ("storage", "postgresql", f"u:{SECRET}@host/db"),
    ("storage", "postgresql", f"postgresql+asyncpg://u:a://{SECRET}@host/db"),
    ("permission", "postgresql", f"host=h password={SECRET} dbname=d"),
    ("cache", "postgresql", f"https://host/?password={SECRET}"),
    ("storage", "redis", f"redis://:{SECRET}@host/one"),
    ("permission", "redis", f"u:{SECRET}@host:6379"),
    ("cache", "redis", f"redis://u:{SECRET}#more@host"),
    ("storage", "redis", f"redis+cluster://:{SECRET}@host/1"),
    ("cache", "redis", f"http://u:a://{SECRET}@host"),
    ("storage", "sqlite", f"postgresql://u:{SECRET}@host/db"),
    ("cache", "memcached", f"u:{SECRET}@host"),
]


def backend_settings(component: Any, family: Any, url: Any) -> dict[Any, Any]:
    name = "cache_hosts" if family == "memcached" else f"{component}_url"
    return {f"{component}_backend": f"cliquet.{component}.{family}", name: url}


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """All that is written to the standard streams and to the log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    with redirect_stdout(stream), redirect_stderr(stream):
        yield stream
    logging.getLogger().removeHandler(handler)


@pytest.mark.clause("S-22", "E-7.2")
@pytest.mark.parametrize(("component", "family", "url"), WRONG)
def test_an_address_that_cannot_be_used(
    said: io.StringIO, component: str, family: str, url: str
) -> None:
    with pytest.raises(SettingError) as caught:
        make_app(settings=backend_settings(component, family, url))

    # With all its causes, as a server writes it.
    told = "".join(traceback.format_exception(caught.value)) + said.getvalue()
    assert caught.value.name in told
    assert SECRET not in told


@pytest.mark.clause("S-22", "E-7.2")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry_after_seconds", f"http://u:{SECRET}@host"),
        ("eos", f"password={SECRET}"),
    ],
)
def test_another_setting(said: io.StringIO, name: str, value: str) -> None:
    with pytest.raises(Exception, match=name) as caught:
        make_app(settings={name: value})

    assert SECRET not in "".join(traceback.format_exception(caught.value)) + said.getvalue()


@pytest.mark.clause("B-2.5", "E-7.2")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:{secret}@127.0.0.1:{port}/db",
        "postgresql://u:{secret}%40{secret}@127.0.0.1:{port}/db",
        "postgresql://u@127.0.0.1:{port}/db?password={secret}",
        "postgresql://u:{secret}@no-such-host.invalid/db",
        "postgresql://u:{secret}@127.0.0.1:{port}/db?sslmode=nonsense",
        "redis://u:{secret}@127.0.0.1:{port}/0",
        "redis://:{secret}@no-such-host.invalid:{port}/0",
        "rediss://:{secret}@127.0.0.1:{port}/0",
    ],
)
def test_a_server_that_cannot_be_reached(said: io.StringIO, url: str) -> None:
    url = url.format(secret=SECRET, port=free_port())
    family = "postgresql" if url.startswith("postgresql") else "redis"
    app = make_app(settings=backend_settings("storage", family, url))

    answer = app.get("/v0/__heartbeat__", headers=basic_auth(), status=503)

    assert SECRET not in answer.text
    assert "Heartbeat Error" in said.getvalue()
    assert SECRET not in said.getvalue()
    storage = app.app.registry.storage
    client = storage.client if family == "postgresql" else storage._database.client
    assert SECRET not in repr(client) + repr(getattr(client, "engine", ""))


@pytest.mark.slow
@pytest.mark.clause("P-30.3", "E-7.2")
@pytest.mark.parametrize("percent", ["%40", "%(more)s", "%"])
@pytest.mark.usefixtures("processes")
def test_a_password_with_a_percent_sign_in_a_file(tmp_path: Path, percent: str) -> None:
    url = f"postgresql://u:{SECRET}{percent}{SECRET}@host/db"
    ini = write_ini(tmp_path / "a.ini", {"storage_url": url})

    done = run_process("migrate", "--ini", ini)

    assert done.code == 1
    assert "storage_url" in done.err
    assert SECRET not in done.err + done.out
