"""``cliquet init``: a working service from an empty folder, and its former meaning."""

import json
import os
import re
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.processes import ServerProcess, free_port
from servers.starting import run_program

import cliquet as cliquet_package
from cliquet.settings import SETTINGS
from scripts.command_line import run_process
from scripts.serving import send, served

FILES = [
    ".dockerignore",
    ".github/workflows/ci.yml",
    ".gitignore",
    "Dockerfile",
    "Makefile",
    "README.rst",
    "compose.yaml",
    "config/development.ini",
    "config/production.ini",
    "demo/__init__.py",
    "demo/resources.py",
    "gunicorn.conf.py",
    "pyproject.toml",
    "tests/test_tasks.py",
]


def files_in(folder: Any) -> list[Any]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def demo(cliquet: Any, tmp_path: Path) -> Any:
    """The folder of a new service, whose module can be imported by processes."""
    folder = tmp_path / "demo"
    assert cliquet("init", str(folder)).code == 0
    return folder


@pytest.mark.clause("E-7.1")
def test_a_new_service_has_what_it_takes(demo: Path) -> None:
    assert files_in(demo) == FILES


@pytest.mark.clause("E-7.1")
def test_gunicorn_takes_urls_as_long_as_those_of_pages(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nowhere")
    configured: dict[str, Any] = {}
    exec((demo / "gunicorn.conf.py").read_text(), configured)

    assert configured["limit_request_line"] == SETTINGS["max_url_bytes"].default


@pytest.mark.clause("E-7.1")
@pytest.mark.usefixtures("processes")
def test_the_files_of_a_new_service_are_in_the_house_style(demo: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        done = run_tool("ruff", *command, ".", folder=demo)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.clause("E-7.1")
@pytest.mark.usefixtures("processes")
def test_the_files_of_a_new_service_have_types(demo: Path) -> None:
    # It is found and silent, as an installed one would be.
    found = {"MYPYPATH": str(Path(cliquet_package.__file__).parents[1])}

    done = run_tool(
        "mypy", "--follow-imports=silent", "--cache-dir", "/dev/null", folder=demo, **found
    )

    assert done.returncode == 0, done.stdout + done.stderr


def run_tool(name: str, *arguments: str, folder: Path, **environ: str) -> Any:
    return run_program(
        [sys.executable, "-m", name, *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.clause("E-7.1")
@pytest.mark.usefixtures("processes")
def test_tests_of_a_new_service_pass(demo: Path) -> None:
    done = run_program(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=demo,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE), "warnings bother newcomers"


@pytest.mark.clause("E-7.1")
@pytest.mark.usefixtures("processes")
def test_a_new_service_serves_its_resource(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(demo))
    ini = demo / "config" / "development.ini"
    migrated = run_process("migrate", "--ini", str(ini))
    assert migrated.code == 0, migrated.err

    with served(ini) as (url, log):
        hello = send(f"{url}/")
        created = send(f"{url}/tasks", b'{"data": {"title": "Water the plants"}}')
        listed = send(f"{url}/tasks?is_done=false&_sort=title")

    assert hello["project_name"] == "demo"
    assert listed["data"] == [created["data"]]
    assert (demo / "demo.db").exists()
    assert "indexes are missing" not in log.read_text()


@pytest.mark.clause("E-7.1")
@pytest.mark.usefixtures("processes")
def test_the_processes_of_gunicorn_write_json_and_count_together(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {
        "PYTHONPATH": str(demo),
        "CLIQUET_USERID_HMAC_SECRET": "a secret of a test",
        "CLIQUET_PROMETHEUS_ENABLED": "true",
        "TMPDIR": str(demo.parent),
    }
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    for kind in ("storage", "cache", "permission"):
        environ[f"CLIQUET_{kind}_BACKEND".upper()] = f"cliquet.{kind}.memory"
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    port, log = free_port(), demo / "gunicorn.log"
    command = [
        *(sys.executable, "-m", "gunicorn", "--config", str(demo / "gunicorn.conf.py")),
        *("--paste", str(demo / "config" / "production.ini"), "--bind", f"localhost:{port}"),
    ]
    server = ServerProcess(command, port, log_path=log)

    server.start()
    try:
        # Its port is open before its processes have loaded the service.
        for attempts_left in reversed(range(6)):
            try:
                send(f"http://localhost:{port}/v1/tasks")
                break
            except TimeoutError:
                assert attempts_left, log.read_text()
        for _ in range(9):
            send(f"http://localhost:{port}/v1/tasks")
        with urllib.request.urlopen(f"http://localhost:{port}/__metrics__", timeout=30) as page:
            metrics = page.read().decode()
        with socket.create_connection(("localhost", port), timeout=30) as connection:
            connection.sendall(b"GARBAGE\r\n\r\n")
            connection.recv(1000)
        shared = list(demo.parent.glob("demo-metrics-*/*.db"))
    finally:
        server.stop()

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"gunicorn.error", "demo"} == {line["logger"] for line in lines}
    # Whichever process answers, and however many have worked.
    (counted,) = re.findall(r'^cliquet_requests_total\{.*"task-coll.*\} (\d+)', metrics, re.M)
    assert int(counted) >= 10
    assert shared
    assert not list(demo.parent.glob("demo-metrics-*"))
    events = "\n".join(line["event"] for line in lines)
    for said in ("Starting gunicorn", "request.summary", "Invalid request", "Shutting down"):
        assert said in events


@pytest.mark.clause("E-7.1", "E-17.4", "E-17.5")
@pytest.mark.usefixtures("processes")
def test_a_new_service_tells_mistakes_while_it_is_written(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(demo))
    ini = demo / "config" / "development.ini"
    assert run_process("migrate", "--ini", str(ini)).code == 0

    with served(ini) as (url, _):
        for address, body in (
            (f"{url}/tasks?_limt=5", None),
            (f"{url}/tasks", b'{"data": {"title": "a", "is_doen": true}}'),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                send(address, body)
            with refused.value as response:
                assert "did you mean" in json.load(response)["message"]


@pytest.mark.clause("E-7.1")
def test_each_development_file_has_a_secret_of_its_own(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    secrets = set()
    for name in ("one", "two"):
        cliquet("init", str(tmp_path / name))
        text = (tmp_path / name / "config" / "development.ini").read_text()
        secrets |= set(re.findall(r"^cliquet\.userid_hmac_secret = ([0-9a-f]{64})$", text, re.M))

    assert len(secrets) == 2


@pytest.mark.clause("E-7.1")
def test_settings_are_for_their_owner_alone(demo: Path) -> None:
    """They hold secrets, or will; the code is for everybody."""
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in demo.rglob("*.*")}

    assert modes[".ini"] == 0o600
    assert modes[".py"] & 0o600 == 0o600
    assert modes[".py"] == modes[".rst"]
    assert {path.stat().st_mode & 0o777 for path in demo.rglob("*.ini")} == {0o600}


@pytest.mark.clause("E-7.1")
def test_a_new_service_tells_that_production_lacks_a_secret(
    cliquet: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another name than in other tests: this process keeps the module.
    folder = tmp_path / "keyless"
    cliquet("init", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("CLIQUET_STORAGE_BACKEND", "cliquet.storage.memory")
    monkeypatch.setenv("CLIQUET_PERMISSION_BACKEND", "cliquet.permission.memory")
    monkeypatch.setenv("CLIQUET_CACHE_BACKEND", "cliquet.cache.memory")

    outcome = cliquet("--ini", str(folder / "config" / "production.ini"), "migrate")

    assert outcome.code == 1
    assert "A secret is required" in outcome.err
    assert "CLIQUET_USERID_HMAC_SECRET" in outcome.err
    # The code of the service refuses to start, and nothing else is shown.
    assert f'{folder}/keyless/__init__.py", line ' in outcome.err
    assert "site-packages" not in outcome.err


@pytest.mark.clause("E-7.1")
def test_what_to_do_next_is_printed(
    cliquet: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    outcome = cliquet("init", "my demo")

    assert outcome.err == ""
    assert f"The new service is in {tmp_path}/my demo." in outcome.out
    assert "    cd 'my demo'\n    make serve" in outcome.out


@pytest.mark.clause("E-7.1")
def test_a_service_is_made_in_the_current_folder(
    cliquet: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    monkeypatch.chdir(folder)

    outcome = cliquet("init", ".")

    assert files_in(folder) == FILES
    assert "    cd " not in outcome.out


@pytest.mark.clause("E-7.1")
def test_missing_parents_of_the_folder_are_made(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    assert cliquet("init", str(tmp_path / "services" / "demo")).code == 0
    assert files_in(tmp_path / "services" / "demo") == FILES


@pytest.mark.clause("E-7.1")
@pytest.mark.parametrize("name", ["my-tasks", "My Tasks", "my.tasks", "my_tasks"])
def test_the_module_is_named_after_the_folder(
    cliquet: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    assert cliquet("init", str(tmp_path / name)).code == 0

    assert (tmp_path / name / "my_tasks" / "__init__.py").exists()
    assert 'name = "my-tasks"' in (tmp_path / name / "pyproject.toml").read_text()


@pytest.mark.clause("E-7.1")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("2fast", "no Python module can be named after '2fast'"),
        ("été", "no Python module can be named after 'été'"),
        ("class", "no Python module can be named after 'class'"),
        ("tests", "there is a Python module named 'tests' already"),
        ("json", "there is a Python module named 'json' already"),
        ("Cliquet", "there is a Python module named 'cliquet' already"),
        ("redis", "there is a Python module named 'redis' already"),
    ],
)
def test_a_name_that_cannot_be_a_module_is_refused(
    cliquet: Callable[..., Any], tmp_path: Path, name: str, told: str
) -> None:
    outcome = cliquet("init", str(tmp_path / name))

    assert outcome.code == 1
    assert outcome.err.startswith(f"cliquet init: {told}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.clause("E-7.1")
def test_a_folder_with_files_is_left_alone(cliquet: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")

    outcome = cliquet("init", str(folder))

    assert outcome.code == 1
    assert outcome.err == f"cliquet init: the folder {folder} is not empty\n"
    assert files_in(folder) == ["notes.txt"]


@pytest.mark.clause("E-7.1")
def test_a_file_is_no_folder(cliquet: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")

    outcome = cliquet("init", str(tmp_path / "demo"))

    assert outcome.code == 1
    assert outcome.err == f"cliquet init: {tmp_path}/demo is not a folder\n"


@pytest.mark.clause("E-7.1")
def test_nothing_is_left_when_a_file_cannot_be_written(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    # So deep that the system accepts the path of README.rst, and not config/development.ini.
    length = os.pathconf("/", "PC_PATH_MAX") - len("/README.rst\0")
    folder = tmp_path / "services"
    while len(str(folder)) < length - 200:
        folder /= "d" * 100
    folder /= "d" * (length - len(f"{folder}/"))

    outcome = cliquet("init", str(folder))

    assert outcome.code == 1
    assert outcome.err.startswith("cliquet init: cannot write the service: ")
    assert "File name too long" in outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.clause("E-7.1")
@pytest.mark.parametrize(
    ("origin", "requirement", "with_postgresql"),
    [
        (
            {"url": "file:///src/cliquet", "dir_info": {"editable": True}},
            "cliquet @ file:///src/cliquet",
            "cliquet[postgresql] @ file:///src/cliquet",
        ),
        (
            {"url": "file:///w/cliquet-3.9.1-py3-none-any.whl", "archive_info": {}},
            "cliquet>=3.9,<4",
            "cliquet[postgresql]>=3.9,<4",
        ),
        (
            {"url": "file:///src/cliquet", "dir_info": {}},
            "cliquet>=3.9,<4",
            "cliquet[postgresql]>=3.9,<4",
        ),
        (
            {"url": "https://git.test/c", "vcs_info": {"vcs": "git", "commit_id": "5f3c"}},
            "cliquet @ git+https://git.test/c@5f3c",
            "cliquet[postgresql] @ git+https://git.test/c@5f3c",
        ),
        (None, "cliquet>=3.9,<4", "cliquet[postgresql]>=3.9,<4"),
    ],
)
def test_a_new_service_requires_the_cliquet_that_made_it(
    cliquet: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    origin: dict[str, Any] | None,
    requirement: str,
    with_postgresql: str,
) -> None:
    # As pip leaves them; found before the real ones.
    metadata = tmp_path / "site" / "cliquet-3.9.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: cliquet\nVersion: 3.9.1\n")
    if origin is not None:
        (metadata / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    outcome = cliquet("init", str(tmp_path / "demo"))

    pyproject = (tmp_path / "demo" / "pyproject.toml").read_text()
    assert f'    "{requirement}",\n' in pyproject
    assert f'    "{with_postgresql}",\n' in pyproject
    # Who deploys a service whose cliquet no other host has is told what to write.
    is_told = f'pyproject.toml asks for "{requirement}",\n' in outcome.out
    assert is_told == ("file:" in str(origin))
    assert ('"Where cliquet comes from"' in outcome.out) == is_told
    readme = (tmp_path / "demo" / "README.rst").read_text()
    elsewhere = readme.partition("\nWhere cliquet comes from\n---")[2]
    assert '   "cliquet>=3.9,<4"\n   "cliquet[postgresql]>=3.9,<4"\n' in elsewhere


@pytest.mark.clause("E-7.1")
@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("target", ["migrate", "test", "lint"])
def test_a_copy_of_the_code_is_not_served_in_the_place_of_the_folder(
    demo: Path, target: str
) -> None:
    """``pip install .`` leaves one in the environment of ``make serve``."""
    environment = demo / ".venv"
    environment.mkdir()
    for stamp in ("created", "serve", "test", "lint"):
        (environment / f".stamp-{stamp}").touch()

    assert "pip" not in make("--dry-run", target, folder=demo)

    copy = environment / "lib" / "python3.13" / "site-packages" / "demo"
    copy.mkdir(parents=True)
    (copy / "__init__.py").touch()
    assert "pip --disable-pip-version-check -qq install --editable" in make(
        "--dry-run", target, folder=demo
    )


@pytest.mark.clause("E-7.1")
@pytest.mark.usefixtures("processes")
def test_make_finds_wheels_that_no_index_has(demo: Path) -> None:
    recipe = ["-f", "Makefile", "--eval", "found: ; @echo $$PIP_FIND_LINKS", "found"]

    assert make(*recipe, folder=demo) == "/opt/some\n"

    (demo / "wheels").mkdir()
    (demo / "wheels" / "cliquet-3.9.1-py3-none-any.whl").touch()
    assert make(*recipe, folder=demo) == "wheels /opt/some\n"


def make(*arguments: str, folder: Path) -> str:
    done = run_program(
        # The tests may have been started by make.
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env={**os.environ, "MAKEFLAGS": "", "PIP_FIND_LINKS": "/opt/some"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return str(done.stdout)


@pytest.mark.clause("E-7.1", "P-30.4")
def test_a_folder_and_a_file_are_not_given_together(
    cliquet: Callable[..., Any], ini: str, tmp_path: Path
) -> None:
    outcome = cliquet("--ini", ini, "init", str(tmp_path / "demo"))

    assert outcome.code == 2
    assert "either DIR" in outcome.err
    assert not (tmp_path / "demo").exists()


@pytest.mark.clause("E-7.1", "P-30.6")
def test_the_missing_folder_is_asked_for(cliquet: Callable[..., Any]) -> None:
    outcome = cliquet("init")

    assert outcome.code == 2
    assert outcome.err.endswith("the following arguments are required: DIR\n")
