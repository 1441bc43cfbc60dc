"""``cliquet purge-untouched``: first accesses are forgotten, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import webtest
from pyramid.config import Configurator
from testapp import Mushroom
from webtest import TestApp

from cliquet import utils
from cliquet.initialization import initialize
from cliquet.scripts import purge_untouched as command
from cliquet.scripts.command import CommandError
from cliquet.storage import StorageBase
from cliquet.storage.memory import Storage
from cliquet.testing.web import add_resource, basic_auth
from scripts.command_line import run, write_ini

DAY_MS = 86_400_000


@pytest.fixture
def service(tmp_path: Path) -> TestApp:
    """A service on SQLite: its client, and the arguments that name its file."""
    settings = {
        "storage_backend": "cliquet.storage.sqlite",
        "storage_url": f"sqlite:///{tmp_path}/data.db",
        "userid_hmac_secret": "b4c96a",
    }
    config = Configurator(settings=dict(settings))
    initialize(config, version="1.0", project_name="test")
    add_resource(config, Mushroom)
    client = webtest.TestApp(config.make_wsgi_app())
    client.app.registry.storage.initialize_schema()
    return client


@pytest.mark.clause("X-22", "E-7.2")
def test_who_comes_back_sees_an_empty_list_once_more(service: TestApp) -> None:
    storage, path = service.app.registry.storage, "/v1/mushrooms"
    told = service.get(path, headers=basic_auth("ann"))
    for number in range(5):
        service.get(path, headers=basic_auth(f"visitor{number}"), status=200)
    service.post_json(path, {"data": {"name": "cep"}}, headers=basic_auth("ben"))
    assert len(list(storage.export_timestamps())) == 7
    condition = {**basic_auth("ann"), "If-None-Match": told.headers["ETag"]}
    service.get(path, headers=condition, status=304)

    assert command.purge(storage, DAY_MS, utils.msec_time()) == 0
    assert command.purge(storage, DAY_MS, utils.msec_time() + DAY_MS + 10_000) == 6

    assert len(list(storage.export_timestamps())) == 1
    assert len(service.get(path, headers=basic_auth("ben")).json["data"]) == 1
    again = service.get(path, headers=condition, status=200)
    assert again.json["data"] == []
    assert int(again.headers["ETag"].strip('"')) >= int(told.headers["ETag"].strip('"'))
    service.post_json(path, {"data": {"name": "cep"}}, headers=basic_auth("ann"))
    since = told.headers["ETag"].strip('"')
    poll = service.get(f"{path}?_since={since}", headers=basic_auth("ann"))
    assert len(poll.json["data"]) == 1


@pytest.mark.clause("X-22", "E-7.2")
@pytest.mark.parametrize("age", ["", "30", "23h", "0d", "2031-01-01"])
def test_what_is_younger_than_a_day_is_not_to_be_forgotten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], age: str
) -> None:
    outcome = run(monkeypatch, capsys, "purge-untouched", "--before", age)

    assert outcome.code == 2
    assert "no age of a day or more" in outcome.err


@pytest.mark.clause("X-22", "E-7.2")
def test_the_command_tells_how_many_went(
    service: TestApp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    storage = service.app.registry.storage
    ini = write_ini(
        tmp_path / "service.ini",
        {
            "storage_backend": "cliquet.storage.sqlite",
            "storage_url": f"sqlite:///{tmp_path}/data.db",
            # The sample application has resources that are shared.
            "permission_backend": "cliquet.permission.memory",
        },
    )
    service.get("/v1/mushrooms", headers=basic_auth("ann"))

    def forget(age: Any) -> Any:
        return run(monkeypatch, capsys, "--ini", ini, "purge-untouched", "--before", age)

    assert forget("30d").out == "0 collections without records forgotten\n"
    now_ms = utils.msec_time()
    monkeypatch.setattr(utils, "msec_time", lambda: now_ms + 40 * DAY_MS)
    assert forget("30d").out == "1 collections without records forgotten\n"
    assert list(storage.export_timestamps()) == []


@pytest.mark.clause("X-22")
def test_a_storage_of_another_origin_may_not_have_it() -> None:
    class Other(Storage):
        forget_untouched = StorageBase.forget_untouched

    with pytest.raises(CommandError, match="has no forget_untouched"):
        command.purge(Other(), DAY_MS, utils.msec_time())
