"""``cliquet settings``: values, where they come from, and what is mistaken."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.starting import start_process

from scripts.command_line import MEMORY, PROGRAM, write_ini

SERVICE = """
from pyramid.config import Configurator
import cliquet

def plugin(config):
    cliquet.load_default_settings(config, {"plugin_size": 3})

def main(global_config, **settings):
    config = Configurator(settings={"vary": "Origin", **settings})
    cliquet.initialize(
        config, version="1.0", project_name="shop", default_settings={"paginate_by": 7}
    )
    config.include(plugin)
    return config.make_wsgi_app()

def plain(global_config, **settings):
    return Configurator(settings=settings).make_wsgi_app()
"""


@pytest.fixture
def ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write the file of a service that has defaults of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "shop_service.py").write_text(SERVICE)

    def write(settings: Any = (), more: Any = "") -> Any:
        path = tmp_path / "shop.ini"
        write_ini(path, {**MEMORY, **dict(settings)}, use="call:shop_service:main")
        path.write_text(path.read_text() + more)
        return str(path)

    return write


@pytest.mark.clause("E-7.2", "S-1.3", "S-23.7")
def test_each_setting_is_printed_with_its_source(
    cliquet: Callable[..., Any], ini: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_BACKOFF", "12")

    outcome = cliquet("settings", "--ini", ini({"userid_hmac_secret": "s3cr3t"}, "shop.plain=1"))

    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines == sorted(lines)
    assert {
        "backoff = 12  # environment SHOP_BACKOFF",
        "cache_backend = cliquet.cache.memory  # file",
        "paginate_by = 7  # application default",
        "plain = 1  # file",
        "plugin_size = 3  # application default",
        "project_version = 1.0  # application",
        "retry_after_seconds = 30  # default",
        "userid_hmac_secret = ********  # file",
        "vary = Origin  # application",
    } <= set(lines)
    # What Pyramid adds to every application.
    assert "debug" not in outcome.out


@pytest.mark.clause("E-7.2")
def test_settings_are_chosen_by_any_of_their_names(
    cliquet: Callable[..., Any], ini: Callable[..., Any]
) -> None:
    names = ["shop.readonly", "cliquet.batch_max_requests", "mushroom_create_principals"]

    outcome = cliquet("settings", *names, "--ini", ini({"readonly": "true"}))

    assert outcome.out.splitlines() == [
        "readonly = true  # file",
        "batch_max_requests = 25  # default",
        "mushroom_create_principals =   # default",
    ]


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("name", "hint"),
    [("paginate", "; did you mean paginate_by?"), ("zzz", "")],
)
def test_a_setting_that_does_not_exist_is_refused(
    cliquet: Callable[..., Any], ini: Callable[..., Any], name: str, hint: str
) -> None:
    outcome = cliquet("settings", name, "--ini", ini())

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"cliquet settings: there is no setting {name}{hint}\n"


@pytest.mark.clause("E-7.2")
def test_unknown_names_are_reported_with_the_nearest(
    cliquet: Callable[..., Any], ini: Callable[..., Any]
) -> None:
    file = ini({"paginate_bye": "1", "plugin_size": "2"}, "shop.own = 1\nshop.storag_url = 1\n")

    outcome = cliquet("settings", "--ini", file)

    assert outcome.code == 0
    assert outcome.err.splitlines() == [
        f"cliquet settings: {file}: unknown setting cliquet.paginate_bye; did you mean"
        " cliquet.paginate_by?",
        f"cliquet settings: {file}: unknown setting shop.storag_url; did you mean"
        " shop.storage_url?",
    ]


@pytest.mark.clause("E-7.2", "S-1.6", "P-30.3")
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("cliquet.paginate_by = many", "Setting 'paginate_by' is 'many'; allowed: "),
        ("cliquet.backoff = 1\nbackoff = 2", "are in conflict."),
    ],
)
def test_bad_values_are_reported_by_name(
    cliquet: Callable[..., Any], ini: Callable[..., Any], more: str, told: str
) -> None:
    outcome = cliquet("settings", "--ini", ini({}, more))

    assert (outcome.code, outcome.out) == (1, "")
    assert told in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.clause("E-7.2")
def test_no_server_is_needed(
    cliquet: Callable[..., Any], ini: Callable[..., Any], tmp_path: Path
) -> None:
    servers = {
        "storage_backend": "cliquet.storage.postgresql",
        "storage_url": "postgresql://user:s3cr3t@127.0.0.1:1/db",
        "cache_backend": "cliquet.cache.redis",
        "cache_url": "redis://:s3cr3t@127.0.0.1:1/0",
        "permission_backend": "cliquet.permission.sqlite",
        "permission_url": f"sqlite:///{tmp_path}/none.db",
    }

    outcome = cliquet("settings", "--ini", ini(servers))

    assert outcome.code == 0, outcome.err
    assert "storage_url = postgresql://user:********@127.0.0.1:1/db  # file" in outcome.out
    assert "s3cr3t" not in outcome.out
    assert not (tmp_path / "none.db").exists()


@pytest.mark.clause("E-7.2")
def test_the_settings_of_a_pipeline_are_those_of_its_application(
    cliquet: Callable[..., Any], tmp_path: Path, ini: Callable[..., Any]
) -> None:
    path = tmp_path / "pipeline.ini"
    content = Path(ini({"readonly": "true"})).read_text()
    path.write_text(f"{content}\n[pipeline:both]\npipeline = main\n")

    outcome = cliquet("settings", "readonly", "--ini", f"{path}#both")

    assert outcome.out == "readonly = true  # file\n"


@pytest.mark.clause("E-7.2")
def test_another_application_is_refused(
    cliquet: Callable[..., Any], ini: Callable[..., Any], tmp_path: Path
) -> None:
    file = ini()
    path = tmp_path / "shop.ini"
    path.write_text(path.read_text().replace(":main", ":plain", 2).replace("app:plain", "app:main"))

    outcome = cliquet("settings", "--ini", file)

    assert outcome.code == 1
    assert outcome.err.endswith("the application is not a service of cliquet\n")


@pytest.mark.clause("P-30.3")
@pytest.mark.usefixtures("processes")
def test_a_reader_that_has_seen_enough_gets_no_traceback(
    ini: Callable[..., Any], tmp_path: Path
) -> None:
    file = ini({f"x{n}": "y" * 1000 for n in range(100)})
    with start_process(
        [*PROGRAM, "settings", "--ini", file],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "Broken pipe" not in errors
