"""``cliquet check``: what is wrong with a service, and the exit code for CI."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.processes import free_port

from cliquet.monitoring import logs
from cliquet.scripts.cliquet import init_schema
from cliquet.scripts.command import application
from scripts.command_line import MEMORY, run_process, write_ini

SECRET = {"userid_hmac_secret": "8f4e1b9c7d2a6053e8f1c4b7a9d06325"}


@pytest.fixture
def sqlite(tmp_path: Path) -> dict[str, str]:
    """Settings of a service in SQLite, whose files do not exist."""
    url = f"sqlite:///{tmp_path}/data.db"
    return {
        "storage_backend": "cliquet.storage.sqlite",
        "storage_url": url,
        "permission_backend": "cliquet.permission.sqlite",
        "permission_url": url,
        "cache_backend": "cliquet.cache.sqlite",
        "cache_url": f"sqlite:///{tmp_path}/cache.db",
        **SECRET,
    }


@pytest.mark.clause("E-7.5")
def test_tables_that_are_missing_are_an_error_until_they_are_made(
    cliquet: Callable[..., Any], tmp_path: Path, sqlite: dict[str, Any]
) -> None:
    ini = write_ini(tmp_path / "service.ini", sqlite)

    before = cliquet("--ini", ini, "check")
    with application(ini) as registry:
        init_schema({"registry": registry})
    after = cliquet("--ini", ini, "check")

    assert before.code == 1
    assert [line.rpartition(" ")[0] for line in before.out.splitlines()] == [
        "error: storage: `cliquet migrate` has to run: tables would be made, version",
        "error: permission: `cliquet migrate` has to run: tables would be made, version",
        "error: cache: `cliquet migrate` has to run: tables would be made, version",
    ]
    assert before.err.endswith(f"cliquet check: {ini}: 3 errors, 0 warnings\n")
    assert (after.code, after.out) == (0, "")


@pytest.mark.clause("E-7.5")
def test_steps_of_other_backends_are_told_in_their_own_words(
    cliquet: Callable[..., Any],
    tmp_path: Path,
    sqlite: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def steps(self: Any, dry_run: bool = False) -> None:
        logs.logger.info("box.to_open", box=5)

    monkeypatch.setattr("cliquet.cache.sqlite.Cache.initialize_schema", steps)

    told = cliquet("--ini", write_ini(tmp_path / "service.ini", sqlite), "check").out

    assert "error: cache: `cliquet migrate` has to run: box.to_open box=5" in told


@pytest.mark.clause("E-7.5")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"storage_backend": "cliquet.storage.redis", "storage_url": "redis://localhost:1/0"},
            "error: storage: ",
        ),
        (
            {"cache_backend": "cliquet.cache.memcached", "cache_hosts": "localhost:1"},
            "error: cache: ",
        ),
        (
            {
                "permission_backend": "cliquet.permission.postgresql",
                "permission_url": "postgresql://localhost:1/x",
            },
            "error: permission: ",
        ),
    ],
)
def test_a_server_that_cannot_be_reached_is_an_error(
    cliquet: Callable[..., Any], tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    outcome = cliquet("--ini", write_ini(tmp_path / "service.ini", {**MEMORY, **settings}), "check")

    assert outcome.code == 1
    assert [line for line in outcome.out.splitlines() if line.startswith(said)] != []
    assert "1 errors" in outcome.err


@pytest.mark.clause("E-7.5")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"userid_hmac_secret": ""}, "warning: userid_hmac_secret is empty"),
        ({"userid_hmac_secret": "changeme"}, "warning: userid_hmac_secret can be guessed; allowed"),
        ({"userid_hmac_secret": "abc" * 20}, "warning: userid_hmac_secret can be guessed; allowed"),
        ({"pagniate_by": "5"}, "warning: Some settings are unknown. unknown setting cliquet.pagn"),
        ({}, "warning: storage_backend keeps its data in the memory of each process"),
        (
            {"groups_enabled": "true"},
            "warning: groups_enabled is true, and group_create_principals",
        ),
    ],
)
def test_doubts_are_warnings_and_errors_if_asked_for(
    cliquet: Callable[..., Any], tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    ini = write_ini(tmp_path / "service.ini", {**MEMORY, **SECRET, **settings})

    lenient, strict = cliquet("--ini", ini, "check"), cliquet("--ini", ini, "check", "--strict")

    assert (lenient.code, strict.code) == (0, 1)
    assert lenient.out == strict.out
    assert [line for line in lenient.out.splitlines() if line.startswith(said)] != []
    assert lenient.out.count(said) == 1
    # They are told once, and not by the start of the service too.
    assert "userid_hmac_secret" not in lenient.err


@pytest.mark.clause("E-8.12")
def test_settings_in_sections_that_nobody_reads_are_told(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    ini = Path(write_ini(tmp_path / "service.ini", {**MEMORY, **SECRET}))
    text = f"[DEFAULT]\ncliquet.paginate_by = 5\nhere_too = 1\n{ini.read_text()}"
    ini.write_text(f"{text}[clique]\ncliquet.readonly = true\nother = 2\n")

    told = cliquet("--ini", str(ini), "check").out

    assert "warning: [DEFAULT] has cliquet.paginate_by, which is only read in [app:main]." in told
    assert "warning: [clique] has cliquet.readonly, which is only read in [app:main]." in told
    assert told.count("which is only read in") == 2


SERVICE = """
from cornice import Service
from cliquet import initialize
from pyramid.config import Configurator

open_to_all = Service(
    name="open", path="/open", cors_origins=("*",), cors_credentials=True
)
named = Service(
    name="named", path="/named", cors_origins=("https://a.example",), cors_credentials=True
)
for service in (open_to_all, named):
    service.get()(lambda request: {})


def main(global_config, **settings):
    config = Configurator(settings=settings)
    initialize(config, version="1.0", project_name="shop")
    for service in (open_to_all, named):
        config.add_cornice_service(service)
    return config.make_wsgi_app()
"""


@pytest.mark.clause("E-7.5")
@pytest.mark.usefixtures("processes")
def test_credentials_for_pages_of_any_site_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SERVICE)
    write_ini(tmp_path / "service.ini", {**MEMORY, **SECRET}, use="call:shop:main")

    outcome = run_process("--ini", "service.ini", "check", cwd=tmp_path)

    assert outcome.code == 1
    errors = [line for line in outcome.out.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "the service 'open' lets pages of any site send " in errors[0]
    assert "GET" in errors[0]


@pytest.mark.clause("E-7.5", "E-7.4")
def test_what_stops_the_start_stops_the_check(cliquet: Callable[..., Any], tmp_path: Path) -> None:
    ini = write_ini(tmp_path / "service.ini", {**MEMORY, "record_spores_put_enabled": "true"})

    outcome = cliquet("--ini", ini, "check")

    assert outcome.code == 1
    assert "of the resource 'spores', which does not exist" in outcome.err


@pytest.mark.clause("E-19.3")
def test_groups_that_nobody_finds_are_a_warning(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    settings = {**MEMORY, **SECRET, "groups_enabled": "true", "group_create_principals": "a:b"}
    path = tmp_path / "service.ini"
    ini = write_ini(path, settings)
    finder = "multiauth.groupfinder = cliquet.testing.testapp.main"

    as_published = cliquet("--ini", ini, "check")
    path.write_text(path.read_text() + finder + "\n")
    with_own = cliquet("--ini", ini, "check")

    assert "groups_enabled" not in as_published.out
    assert "warning: groups_enabled is true, and multiauth.groupfinder" in with_own.out


@pytest.mark.clause("E-7.5")
def test_a_listener_without_its_server_is_an_error(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    listener = {
        "event_listeners": "queue",
        "event_listeners.queue.use": "cliquet.listeners.redis",
        "event_listeners.queue.url": f"redis://localhost:{free_port()}/0",
    }
    ini = write_ini(tmp_path / "service.ini", {**MEMORY, **listener})

    outcome = cliquet("check", "--ini", ini)

    assert outcome.code == 1
    assert "error: event_listeners.queue: " in outcome.out
    assert "onnect" in outcome.out
