"""``config/production.ini``: it names every setting, and starts the example service."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cliquet import settings
from cliquet.scripts.production_ini import production_ini
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth
from scripts.command_line import run_process
from scripts.serving import send, served

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "production.ini"

COMMENTED_OUT = re.compile(r"^# (?=[\w.]+ =|    \S)", re.MULTILINE)


def app_settings(text: Any) -> Any:
    """Return the settings of a file, as the loaders of Paste read them."""
    parser = configparser.ConfigParser({"here": "/here"})
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(text)
    given = dict(parser["app:main"])
    del given["use"], given["here"]
    return given


def uncommented(text: Any) -> Any:
    """Return the settings of a file whose commented-out ones take effect."""
    start = text.index("[app:main]")
    end = text.index("[server:main]")
    return app_settings(COMMENTED_OUT.sub("", text[start:end]))


def resolve(given: Any) -> Any:
    return settings.resolve(
        given, settings.DEFAULT_SETTINGS, project_name="mushrooms", environment={}
    ).values


@pytest.mark.clause("E-7.1")
def test_the_file_is_what_the_table_of_settings_gives() -> None:
    assert FILE.read_text() == production_ini("mushrooms", "mushroom"), (
        "run: python -m cliquet.scripts.production_ini mushrooms mushroom > config/production.ini"
    )


@pytest.mark.clause("E-7.1")
def test_every_setting_appears_once() -> None:
    names = uncommented(FILE.read_text())  # The parser refuses a name that is there twice.
    rows = [settings.find(name.removeprefix("cliquet.")) for name in names]

    assert sorted(row.name for row in rows) == sorted(settings.SETTINGS)


@pytest.mark.clause("E-7.1")
def test_what_is_commented_out_is_the_default() -> None:
    text = FILE.read_text()
    chosen = app_settings(text)
    in_force = resolve(uncommented(text))

    differing = {
        name: in_force[name]
        for name, row in settings.SETTINGS.items()
        if not row.is_family
        and f"cliquet.{name}" not in chosen
        and settings.read(in_force, name) != settings.read({}, name)
    }

    assert differing == {}


@pytest.mark.clause("E-7.1", "S-22")
def test_all_settings_can_be_uncommented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "example"))
    import mushrooms
    from webtest import TestApp

    given = uncommented(FILE.read_text())
    settings.validate(resolve(given))
    on_memory = {f"cliquet.{name}": module for name, module in MEMORY_BACKENDS.items()}

    app = TestApp(mushrooms.main({}, **{**given, **on_memory}))

    record = {"data": {"name": "Morel"}}
    assert app.post_json("/v1/mushrooms", record, headers=basic_auth()).status_code == 201


@pytest.mark.clause("E-7.1", "S-1.4")
def test_the_file_starts_the_service_with_addresses_and_secret_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgresql_url: str, redis_url: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "docs" / "example"))
    monkeypatch.setenv("CLIQUET_USERID_HMAC_SECRET", "of the test")
    monkeypatch.setenv("CLIQUET_STORAGE_URL", postgresql_url)
    monkeypatch.setenv("CLIQUET_PERMISSION_URL", postgresql_url)
    monkeypatch.setenv("CLIQUET_CACHE_URL", redis_url)
    # The log is written beside it.
    ini = tmp_path / "production.ini"
    ini.write_text(FILE.read_text())
    migrated = run_process("migrate", "--ini", str(ini))
    assert migrated.code == 0, migrated.err

    with served(ini) as (url, log):
        heartbeat = send(f"{url}/__heartbeat__")
        created = send(f"{url}/mushrooms", b'{"data": {"name": "Morel"}}')

    assert created["data"]["name"] == "Morel"
    assert all(heartbeat[kind] for kind in ("storage", "permission", "cache"))
    # Each line is an object, whichever library has written it.
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    summaries = [line for line in lines if line["event"] == "request.summary"]
    assert [line["path"] for line in summaries] == ["/v1/__heartbeat__", "/v1/mushrooms"]
    assert {line["logger"] for line in summaries} == {"mushrooms"}
    assert {"mushrooms", "waitress"} <= {line["logger"] for line in lines}
