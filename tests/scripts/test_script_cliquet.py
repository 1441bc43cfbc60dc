"""The command line: usage, versions, exit codes, messages."""

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from cliquet.connections.postgresql import client as postgresql
from cliquet.monitoring import logs
from cliquet.scripts import cliquet as program
from cliquet.scripts import entry, migrate
from cliquet.storage.exceptions import BackendError
from cliquet.storage.postgresql import client
from scripts.command_line import MEMORY, run_process, write_ini


@pytest.mark.clause("P-1.1", "P-30.2", "B-19.7")
@pytest.mark.parametrize("option", ["-v", "--version"])
def test_version_is_printed_without_a_file(cliquet: Callable[..., Any], option: str) -> None:
    outcome = cliquet(option)

    assert (outcome.code, outcome.out) == (0, f"{version('cliquet')}\n")


@pytest.mark.clause("P-30.6", "P-34.22")
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--ini", "x.ini"],
        ["migrate"],
        ["init"],
        ["unknown"],
        ["--ini", "x.ini", "unknown"],
        ["--ini", "x.ini", "migrate", "--unknown"],
        ["--ini"],
        ["copy"],
        ["copy", "--from-ini", "x.ini"],
        ["copy", "--to-ini", "x.ini"],
        ["start"],
        ["settings"],
        ["purge-deleted"],
        ["flush-cache"],
    ],
)
def test_wrong_command_lines_give_the_usage_and_2(
    cliquet: Callable[..., Any], arguments: list[Any]
) -> None:
    outcome = cliquet(*arguments)

    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("usage: cliquet")


@pytest.mark.clause("P-30.1")
def test_help_lists_the_commands(cliquet: Callable[..., Any]) -> None:
    outcome = cliquet("--help")

    assert outcome.code == 0
    names = ("start", "migrate", "settings", "purge-deleted", "flush-cache", "copy", "init")
    assert all(f"\n    {name}" in outcome.out for name in names)


@pytest.mark.clause("P-30.1")
def test_the_file_is_named_before_or_after_the_command(
    cliquet: Callable[..., Any], ini: str
) -> None:
    assert cliquet("--ini", ini, "migrate") == cliquet("migrate", "--ini", ini)
    assert cliquet("--ini", "nowhere.ini", "migrate", "--ini", ini).code == 0


@pytest.mark.clause("P-30.3")
@pytest.mark.parametrize("with_section", [False, True])
def test_a_missing_file_is_named(
    cliquet: Callable[..., Any], tmp_path: Path, with_section: bool
) -> None:
    missing = str(tmp_path / "missing.ini")
    given = f"{missing}#main" if with_section else missing

    outcome = cliquet("--ini", given, "migrate")

    assert outcome.code == 1
    assert outcome.err == f"cliquet migrate: {given}: there is no such file: {missing}\n"


@pytest.mark.clause("P-30.3")
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("not a section", "File contains no section headers."),
        ("[server:main]\nuse = egg:waitress#main", "No section 'main'"),
        ("[app:main]\nuse = call:nowhere:main", "No module named 'nowhere'"),
        (
            "[app:main]\nuse = call:cliquet.testing.testapp:main\ncliquet.paginate_by = many",
            "paginate_by",
        ),
        (
            "[app:main]\nuse = call:cliquet.testing.testapp:main\n"
            "cliquet.storage_backend = cliquet.storage.nowhere",
            "Setting 'storage_backend' is 'cliquet.storage.nowhere': No module named "
            "'cliquet.storage.nowhere'; allowed: cliquet.storage.memory, ",
        ),
        (
            "[app:main]\nuse = call:cliquet.testing.testapp:main\n"
            "cliquet.cache_backend = cliquet.cache",
            "Setting 'cache_backend' is 'cliquet.cache', which has no load_from_config(); allowed: "
            "cliquet.cache.memcached, cliquet.cache.memory, ",
        ),
        ("[app:main]\nuse = call:cliquet.testing.testapp:nothing", "no attribute 'nothing'"),
        (
            "[app:main]\nuse = call:cliquet.testing.testapp:nothing",
            "[app:main] use = call:cliquet.testing.testapp:nothing: module ",
        ),
        (
            "[app:main]\nuse = call:nowhere:main",
            "[app:main] use = call:nowhere:main: No module named 'nowhere'; allowed: call:MODULE:",
        ),
        (
            "[app:main]\nuse = egg:nowhere",
            "[app:main] use = egg:nowhere: No package metadata was found for nowhere; allowed: ",
        ),
        ("[app:main]\nuse = nowhere:main", "[app:main] use = nowhere:main: URI scheme not known"),
        ("[app:shop]\nuse = call:nowhere:main", ".ini#shop"),
        ("[app:main]\ncliquet.readonly = true", "No loader given in section 'app:main'"),
        ("[app:main]\ncliquet.readonly = true", "; allowed: use, as in use = call:shop:main"),
        ("[app:main]\na line", "parsing errors"),
        ("[app:main]\nuse = call:cliquet.testing.testapp:main\nx = %(y)s", "'y'"),
        (
            "[app:main]\nuse = call:cliquet.testing.testapp:main\nbackoff = 1\ncliquet.backoff = 2",
            "are in conflict.",
        ),
        ("\ufeff", "codec"),
    ],
)
def test_a_wrong_file_is_explained_in_one_line(
    cliquet: Callable[..., Any], tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "wrong.ini"
    path.write_text(content, encoding="utf-16" if content == "\ufeff" else "utf-8")

    outcome = cliquet("--ini", str(path), "migrate")

    assert outcome.code == 1
    assert outcome.err.startswith(f"cliquet migrate: {path}: ")
    assert told in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.clause("P-30.3", "S-12.4")
@pytest.mark.parametrize("kind", ["storage", "permission", "cache"])
def test_missing_packages_are_told_in_one_line(
    cliquet: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(client, "sqlalchemy", None)
    monkeypatch.setattr(postgresql, "sqlalchemy", None)
    backend = {f"{kind}_backend": f"cliquet.{kind}.postgresql", f"{kind}_url": "postgresql:///x"}
    ini = write_ini(tmp_path / "service.ini", {**MEMORY, **backend})

    outcome = cliquet("--ini", ini, "migrate")

    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "pip install cliquet[postgresql]" in outcome.err


@pytest.mark.clause("P-30.3")
@pytest.mark.parametrize("name", ["", ".", "service", "service.txt", "https://example.com"])
def test_what_is_no_file_of_a_service_is_told(cliquet: Callable[..., Any], name: str) -> None:
    outcome = cliquet("--ini", name, "migrate")

    assert outcome.code == 1
    assert outcome.err == f"cliquet migrate: {name}: the name of the file must end in .ini\n"


@pytest.mark.clause("P-30.3")
def test_a_folder_is_no_file(cliquet: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "folder.ini").mkdir()

    outcome = cliquet("--ini", str(tmp_path / "folder.ini"), "migrate")

    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "directory" in outcome.err


@pytest.mark.clause("E-7.1")
def test_what_start_serves_can_be_loaded_by_all_commands(
    cliquet: Callable[..., Any], ini: str
) -> None:
    with open(ini, "a") as file:
        file.write("cliquet.http_host = localhost:%(http_port)s\n")

    assert cliquet("--ini", ini, "migrate").code == 0
    assert cliquet("--ini", ini, "settings", "http_host").out == (
        "http_host = localhost:8888  # file\n"
    )


@pytest.mark.clause("P-30.3")
def test_a_failing_server_is_explained_in_one_line(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(environment: Any, dry_run: Any) -> None:
        raise BackendError(OSError("no answer\nfrom the server"))

    monkeypatch.setattr(migrate, "init_schema", fail)

    outcome = cliquet("--ini", ini, "migrate")

    assert outcome.code == 1
    assert outcome.err == "cliquet migrate: OSError: no answer from the server\n"


@pytest.mark.clause("P-30.3")
def test_an_error_without_words_is_named(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(environment: Any, dry_run: Any) -> None:
        raise BackendError(message="")

    monkeypatch.setattr(migrate, "init_schema", fail)

    assert cliquet("--ini", ini, "migrate").err == "cliquet migrate: BackendError: \n"


@pytest.mark.clause("E-7.3")
def test_an_interruption_is_no_traceback(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(environment: Any, dry_run: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(migrate, "init_schema", interrupt)

    outcome = cliquet("--ini", ini, "migrate")

    assert outcome.code == 130
    assert outcome.err == "cliquet migrate: interrupted; the same command goes on\n"


@pytest.mark.clause("E-7.2")
def test_an_interruption_while_the_program_loads_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "cliquet.scripts.cliquet":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "cliquet.scripts.cliquet")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])

    with pytest.raises(SystemExit) as ended:
        entry.main()

    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.clause("E-7.2")
def test_the_file_of_the_environment_is_the_default(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLIQUET_INI", ini)

    assert cliquet("migrate").code == 0
    assert cliquet("migrate", "--ini", str(tmp_path / "other.ini")).code == 1


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize("name", ["development.ini", "config/development.ini"])
def test_a_development_file_in_the_folder_is_the_default(
    cliquet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "config").mkdir()
    write_ini(tmp_path / name, MEMORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLIQUET_INI", raising=False)

    assert cliquet("migrate").out == "nothing to do\n"


@pytest.mark.clause("P-30.6", "E-7.2")
def test_without_any_file_the_usage_says_where_one_is_looked_for(
    cliquet: Callable[..., Any],
) -> None:
    outcome = cliquet("migrate")

    assert outcome.code == 2
    for word in ("--ini", "CLIQUET_INI", "development.ini", "config/development.ini"):
        assert word in outcome.err


@pytest.mark.clause("P-30.3")
@pytest.mark.usefixtures("processes")
def test_a_defect_keeps_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "defective.py").write_text("def main(*args, **settings):\n    return 1 / 0\n")
    ini = write_ini(tmp_path / "defective.ini", MEMORY, use="call:defective:main")

    outcome = run_process("--ini", ini, "migrate", cwd=tmp_path)

    assert outcome.code == 1
    # After the warnings of imports, on some releases of Python.
    assert "Traceback" in outcome.err
    assert outcome.err.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.clause("P-30.8")
@pytest.mark.usefixtures("processes")
def test_logs_of_a_command_are_on_standard_error(ini: str) -> None:
    outcome = run_process("--ini", ini, "migrate")

    assert outcome.code == 0
    assert outcome.out == "nothing to do\n"
    assert "testapp 0.0.1 starting." in outcome.err


@pytest.mark.clause("P-30.8")
@pytest.mark.usefixtures("processes")
def test_logs_have_the_level_debug(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(
        "import logging\n"
        "from cliquet.testing.testapp import main as testapp\n"
        "def main(*args, **settings):\n"
        "    logging.getLogger('chatty').debug('a detail')\n"
        "    return testapp(*args, **settings)\n"
    )
    ini = write_ini(tmp_path / "chatty.ini", MEMORY, use="call:chatty:main")

    assert "DEBUG a detail\n" in run_process("--ini", ini, "migrate", cwd=tmp_path).err


@pytest.mark.clause("P-30.8")
def test_the_library_logs_with_the_renderer_of_the_service(
    cliquet: Callable[..., Any],
    ini: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def log(environment: Any, dry_run: Any) -> None:
        try:
            int("no number")
        except ValueError:
            logs.logger.exception("created")

    monkeypatch.setattr(migrate, "init_schema", log)

    with caplog.at_level("INFO"):
        outcome = cliquet("--ini", ini, "migrate")

    assert (outcome.code, outcome.out) == (0, "nothing to do\n")
    (message,) = [r.getMessage() for r in caplog.records if "created" in r.getMessage()]
    # The command tells the error itself, in one line.
    assert "Traceback" not in message


@pytest.mark.clause("P-30.3")
def test_a_broken_pipe_is_no_traceback(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(environment: Any, dry_run: Any) -> None:
        raise BrokenPipeError

    closed = []
    monkeypatch.setattr(migrate, "init_schema", fail)
    monkeypatch.setattr(program.sys.stdout, "fileno", lambda: 1, raising=False)
    monkeypatch.setattr(program.os, "dup2", lambda null, number: closed.append(number))

    outcome = cliquet("--ini", ini, "migrate")

    assert (outcome.code, outcome.err, closed) == (1, "", [1])


@pytest.mark.clause("P-30.7")
def test_init_schema_is_found_where_other_packages_import_it() -> None:
    assert program.init_schema is migrate.init_schema
