"""``cliquet start`` as its users run it: addresses, signals, errors, and code that changes."""

import contextlib
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest
from servers.processes import free_port
from servers.starting import run_program, start_process
from support.logged import capture_logs

from cliquet.feed import capacity, stopping
from cliquet.scripts import granian_server, start
from cliquet.scripts.start import with_port
from cliquet.testing.bounded import Thread, Timer
from scripts.command_line import MEMORY, PROGRAM, run_process, write_ini

PATIENCE_SECONDS = 120

SERVICE = """
import time
from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED
import cliquet

def wait(request):
    open("waiting", "w").close()
    time.sleep(0.7)
    return {"waited": True}

def main(global_config, **settings):
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="NAME")
    config.add_route("wait", "/wait")
    config.add_view(wait, route_name="wait", renderer="json", permission=NO_PERMISSION_REQUIRED)
    return config.make_wsgi_app()
"""

LOGGING = """
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = FROM THE FILE %(message)s
"""


class Running:
    """The program at work, and what it has written so far."""

    def __init__(self, folder: Any, *arguments: Any) -> None:
        self._log = folder / "log"
        with self._log.open("w") as output:
            self.process = start_process(
                [*PROGRAM, "start", *arguments],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> Any:
        return self._log.read_text()

    def address(self) -> Any:
        """Return the last address that it has announced."""
        return self.wait_for(r"Serving on (http://\S+)")

    def wait_for(self, pattern: Any, *, times: int = 1) -> Any:
        def found() -> Any:
            return re.findall(pattern, self.log)

        self.until(lambda: len(found()) >= times)
        return found()[-1]

    def until(self, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    @property
    def worker(self) -> int:
        """The process that granian has started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.until(lambda: children.read_text())
        return int(children.read_text().split()[0])

    def end(self, *numbers: Any) -> Any:
        """Send signals to its own group, as a terminal does, and return the exit code."""
        for number in numbers or [signal.SIGTERM]:
            os.killpg(self.process.pid, number)
            time.sleep(0)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def started(processes: None, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start the program in the folder of the test."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: Any) -> Any:
            running = Running(tmp_path, *arguments)
            stack.callback(kill, running.process)
            return running

        yield begin


def kill(process: Any) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


def is_open(address: SplitResult) -> bool:
    end = (address.hostname, address.port or 80)
    with contextlib.suppress(OSError), socket.create_connection(end, 5):
        return True
    return False


@pytest.fixture
def service(tmp_path: Path) -> Callable[..., Path]:
    """Write the module of a service, and its file with more sections."""

    def write(more: Any = "", name: Any = "first") -> Any:
        (tmp_path / "service.py").write_text(SERVICE.replace("NAME", name))
        ini = write_ini(tmp_path / "service.ini", MEMORY, use="call:service:main")
        with open(ini, "a") as file:
            file.write(more)
        return ini

    return write


def get(url: Any) -> Any:
    # Granian tells its address a moment before it listens.
    address = urlsplit(url)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_open(address) and time.monotonic() < deadline:
        time.sleep(0.02)
    with urllib.request.urlopen(url, timeout=60) as response:
        return json.load(response)


servers = pytest.mark.parametrize("server", ["granian", "waitress"])


@servers
@pytest.mark.clause("E-7.1", "P-30.8")
def test_a_file_without_server_is_served_until_the_user_interrupts(
    service: Callable[..., Any], started: Callable[..., Any], server: str
) -> None:
    running = started("--ini", service(), "--port", "0", "--server", server)

    assert get(f"{running.address()}/v1/")["project_name"] == "first"

    assert running.end(signal.SIGINT) == 0
    assert "Traceback" not in running.log
    # No section of the file says how to log.
    assert "INFO first 1.0 starting." in running.log


@pytest.mark.clause("E-7.1")
def test_the_port_of_the_command_line_wins_and_is_a_variable(
    service: Callable[..., Any], started: Callable[..., Any]
) -> None:
    port = free_port()
    section = "[server:main]\nuse = egg:waitress#main\nlisten = localhost:%(http_port)s\n"
    running = started("--port", str(port), "--ini", service(section + LOGGING))

    assert running.address().endswith(f":{port}")
    assert get(f"http://localhost:{port}/v1/")["project_name"] == "first"
    # Logs are those of the file.
    assert "FROM THE FILE Serving on" in running.log
    assert running.end() == 0


def test_the_main_thread_of_granian_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(granian_server, "_LOOK_SECONDS", 0.01)
    interrupt = granian_server.Interrupt()

    assert not interrupt.wait(0)
    # The join is bounded, unlike this wait.
    waiter = Thread(target=interrupt.wait)
    waiter.start()
    Timer(0.1, interrupt.set).start()
    waiter.join()

    assert interrupt.is_set()


def test_a_signal_that_another_thread_takes_wakes_the_main_thread_of_granian(
    processes: None,
) -> None:
    script = """
        import os, signal, threading, time
        from cliquet.scripts.granian_server import Interrupt

        interrupt = Interrupt()
        handled = []
        signal.signal(signal.SIGTERM, lambda *_: (handled.append(1), interrupt.set()))

        def tell():
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

        threading.Thread(target=tell, daemon=True).start()
        # As if the other thread had been the first to ask for signals.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        assert not interrupt.wait(0)
        assert interrupt.wait()
        print(handled)
    """
    outcome = run_program(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (outcome.stdout, outcome.returncode) == ("[1]\n", 0)


@servers
@pytest.mark.clause("E-7.1")
@pytest.mark.parametrize(
    "numbers",
    [
        [signal.SIGTERM],
        [signal.SIGTERM] * 20,
        [signal.SIGINT, signal.SIGTERM],
        [signal.SIGTERM, signal.SIGINT],
    ],
    ids=["once", "twenty times", "interrupted first", "interrupted then"],
)
def test_a_request_under_way_is_answered_before_the_end(
    service: Callable[..., Any],
    started: Callable[..., Any],
    tmp_path: Path,
    server: str,
    numbers: list[signal.Signals],
) -> None:
    running = started("--ini", service(), "--port", "0", "--server", server)
    answers = []
    url = f"{running.address()}/v1/wait"
    client = Thread(target=lambda: answers.append(get(url)))

    client.start()
    running.until((tmp_path / "waiting").exists)
    code = running.end(*numbers)
    client.join()

    assert (code, answers) == (0, [{"waited": True}])


@pytest.mark.slow
@pytest.mark.clause("E-7.1")
def test_a_worker_of_granian_that_misses_the_signal_is_killed(
    service: Callable[..., Path], started: Callable[..., Running]
) -> None:
    running = started("--ini", service(), "--port", "0", "--server", "granian")
    get(f"{running.address()}/v1/")
    # A stopped process handles no signal but this one.
    worker = running.worker
    os.kill(worker, signal.SIGSTOP)

    begin = time.monotonic()
    assert running.end() == 0

    assert time.monotonic() - begin >= granian_server.GRACE_SECONDS
    assert not Path(f"/proc/{worker}").exists()


@pytest.mark.clause("E-7.1")
def test_no_worker_of_granian_is_left_when_the_program_is_killed(
    service: Callable[..., Any], started: Callable[..., Any]
) -> None:
    running = started("--ini", service(), "--port", "0", "--server", "granian")
    get(f"{running.address()}/v1/")
    worker = Path(f"/proc/{running.worker}/stat")

    running.end(signal.SIGKILL)

    deadline = time.monotonic() + PATIENCE_SECONDS
    while worker.exists() and worker.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.clause("E-7.1")
def test_changed_code_is_served_after_a_moment(
    service: Callable[..., Any], started: Callable[..., Any], tmp_path: Path
) -> None:
    running = started("--ini", service(), "--port", "0", "--reload")
    assert get(f"{running.address()}/v1/")["project_name"] == "first"

    service(name="second")
    # A change that comes before files are watched is seen with the next one.
    running.until(lambda: os.utime(tmp_path / "service.py") or "reloading" in running.log)  # type: ignore[func-returns-value]

    running.wait_for("second 1.0 starting.")
    running.wait_for(r"Serving on (\S+)", times=2)
    assert get(f"{running.address()}/v1/")["project_name"] == "second"
    assert running.end() == 0
    assert "forcefully" not in running.log


@pytest.mark.clause("E-7.1")
@pytest.mark.slow
def test_code_that_failed_at_the_first_start_is_served_when_it_is_corrected(
    service: Callable[..., Any], started: Callable[..., Any], tmp_path: Path
) -> None:
    ini, file = service(), tmp_path / "service.py"
    correct = file.read_text()
    file.write_text(f"{correct}\ndef (")
    running = started("--ini", ini, "--port", "0", "--reload")
    running.wait_for("SyntaxError")
    # The process that has failed still runs, so that no change can come between two of them.
    running.wait_for("Waiting for a file to change")

    file.write_text(correct)
    # A change that comes before the file is watched is seen with the next one.
    running.until(lambda: os.utime(file) or "reloading" in running.log)  # type: ignore[func-returns-value]

    running.wait_for(r"Serving on (\S+)")
    assert running.end() == 0
    assert "forcefully" not in running.log


@pytest.fixture
def in_process(cliquet: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command in this process, without its effects on signals and logs."""
    monkeypatch.setattr(start.signal, "signal", lambda *arguments: None)
    monkeypatch.setattr(start.waitress, "create_server", FakeServer)
    monkeypatch.setattr(granian_server, "is_installed", lambda: False)
    # What the command says of its threads would limit the streams of other tests in this process.
    monkeypatch.setattr(capacity, "_threads", None)

    def run(ini: Any, *arguments: Any) -> Any:
        FakeServer.options = None
        return cliquet("start", "--ini", ini, *arguments)

    return run


class FakeServer:
    """Stands for the sockets of waitress."""

    options = None

    def __init__(self, application: Any, **options: Any) -> None:
        FakeServer.options = options  # type: ignore[assignment]

    def print_listen(self, text: Any) -> None:
        pass

    def run(self) -> None:
        pass


def with_sections(ini: Any, *sections: Any) -> Any:
    with open(ini, "a") as file:
        file.write("\n".join(sections))
    return ini


@pytest.mark.clause("E-7.1")
@pytest.mark.parametrize(
    ("section", "arguments", "expected"),
    [
        ("", [], {"listen": "localhost:8888"}),
        ("", ["--port", "99"], {"listen": "localhost:99"}),
        ("[server:main]\nuse = egg:waitress", [], {}),
        ("[server:main]\nuse = egg:waitress", ["--port", "99"], {"port": "99"}),
        ("[server:main]\nuse = egg:waitress\nthreads = 2", [], {"threads": "2"}),
        ("[server:main]\nuse = egg:waitress\nport = %(http_port)s", [], {"port": "8888"}),
        (
            "[DEFAULT]\nhttp_port = 7\n[server:main]\nuse = egg:waitress\nport = %(http_port)s",
            [],
            {"port": "7"},
        ),
        (
            "[DEFAULT]\nhttp_port = 7\n[server:main]\nuse = egg:waitress\nport = %(http_port)s",
            ["--port", "99"],
            {"port": "99"},
        ),
    ],
)
def test_the_server_has_the_options_of_the_file(
    in_process: Callable[..., Any],
    ini: str,
    section: str,
    arguments: list[Any],
    expected: dict[str, Any],
) -> None:
    outcome = in_process(with_sections(ini, section), *arguments)

    assert outcome.code == 0, outcome.err
    assert FakeServer.options == expected


@pytest.fixture
def with_granian(in_process: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the command where granian is installed, and return what it would listen to."""
    calls: list[Any] = []

    def serve(application: Any, host: str, port: int, *, threads: int) -> None:
        calls.append((host, port, threads))

    monkeypatch.setattr(granian_server, "is_installed", lambda: True)
    monkeypatch.setattr(granian_server, "serve", serve)

    def run(ini: Any, *arguments: Any) -> Any:
        calls.clear()
        outcome = in_process(ini, *arguments)
        return outcome, calls

    return run


@pytest.mark.clause("E-14.6")
@pytest.mark.parametrize(
    ("lines", "section", "threads"),
    [
        ("", "", 4),
        ("cliquet.sync_enabled = true", "", 20),
        ("cliquet.mushroom_sync_enabled = true\ncliquet.feed_max_streams = 3", "", 7),
        ("cliquet.sync_enabled = true\ncliquet.feed_max_streams =", "", 20),
        ("cliquet.sync_enabled = true", "[server:main]\nuse = egg:waitress\nthreads = 5", 5),
    ],
)
@pytest.mark.parametrize("server", ["granian", "waitress"])
def test_clients_that_wait_leave_threads_to_others(
    with_granian: Callable[..., Any],
    ini: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: str,
    section: str,
    threads: int,
    server: str,
) -> None:
    monkeypatch.setattr(capacity, "_threads", None)
    text = Path(ini).read_text()
    Path(ini).write_text(text.replace("[app:main]", f"[app:main]\n{lines}"))

    outcome, calls = with_granian(with_sections(ini, section), "--server", server)

    assert outcome.code == 0, outcome.err
    told = FakeServer.options if server == "waitress" else {"threads": str(calls[0][2])}
    assert told is not None
    assert told.get("threads", "4") == str(threads)
    assert capacity.limit(None) == max(threads - 4, threads // 2)


WAITRESS = "[server:main]\nuse = egg:waitress"


@pytest.mark.clause("E-7.1")
@pytest.mark.parametrize(
    ("section", "arguments", "expected"),
    [
        ("", [], [("localhost", 8888, 4)]),
        ("", ["--port", "99"], [("localhost", 99, 4)]),
        ("", ["--server", "waitress"], []),
        (WAITRESS, [], []),
        (WAITRESS, ["--server", "granian"], [("0.0.0.0", 8080, 4)]),
        (f"{WAITRESS}\nthreads = 2", ["--server", "granian"], [("0.0.0.0", 8080, 2)]),
        (f"{WAITRESS}\nlisten = [::1]:7", ["--server", "granian"], [("::1", 7, 4)]),
        (f"{WAITRESS}\nlisten = *:7", ["--server", "granian", "--port", "9"], [("0.0.0.0", 9, 4)]),
    ],
)
def test_granian_is_preferred_where_it_is_installed_and_the_file_names_no_server(
    with_granian: Callable[..., Any],
    ini: str,
    section: str,
    arguments: list[str],
    expected: list[Any],
) -> None:
    outcome, calls = with_granian(with_sections(ini, section), *arguments)

    assert outcome.code == 0, outcome.err
    assert calls == expected
    assert (FakeServer.options is None) == bool(expected)


@pytest.mark.clause("E-7.1", "P-30.3")
@pytest.mark.parametrize(
    ("section", "told"),
    [
        (f"{WAITRESS}\nchannel_timeout = 9", "granian cannot be given channel_timeout"),
        (f"{WAITRESS}\nlisten = *:1 [::1]:2", "granian listens to one address"),
        (f"{WAITRESS}\nport = many", "many"),
        ("[server:main]\npaste.server_runner = json:loads", "names another server than granian"),
    ],
)
def test_what_granian_cannot_serve_is_told_in_one_line(
    with_granian: Callable[..., Any], ini: str, section: str, told: str
) -> None:
    outcome, calls = with_granian(with_sections(ini, section), "--server", "granian")

    assert (outcome.code, calls) == (1, [])
    assert outcome.err.startswith(f"cliquet start: {ini}: [server:main]")
    assert told in outcome.err


@pytest.mark.clause("E-7.1", "P-30.3")
def test_granian_that_is_missing_is_told_in_one_line(
    in_process: Callable[..., Any], ini: str
) -> None:
    outcome = in_process(ini, "--server", "granian")

    assert outcome.code == 1
    assert outcome.err.startswith("cliquet start: granian is not installed: pip install")


@pytest.mark.clause("E-7.1")
def test_a_section_of_the_application_may_have_a_server_of_its_own(
    in_process: Callable[..., Any], ini: str
) -> None:
    section = "[app:other]\nuse = main\n[server:other]\nuse = egg:waitress\nport = 5"

    outcome = in_process(with_sections(ini, section) + "#other")

    assert outcome.code == 0, outcome.err
    assert FakeServer.options == {"port": "5"}


@pytest.mark.clause("E-7.1")
@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("localhost:1", "localhost:2"),
        ("*:1 [::1]:1", "*:2 [::1]:2"),
        ("localhost [::1]", "localhost:2 [::1]:2"),
        ("localhost:1\nlocalhost:3", "localhost:2"),
    ],
)
def test_the_port_of_every_address_is_replaced(listen: str, expected: str) -> None:
    assert with_port({"listen": listen, "threads": "1"}, 2) == {
        "listen": expected,
        "threads": "1",
    }


@pytest.mark.clause("E-7.1")
def test_another_server_is_started_as_the_file_says(
    in_process: Callable[..., Any], ini: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "another_server.py").write_text(
        "def serve(application, global_config, **options):\n    raise OSError(f'no {options}')\n"
    )
    section = "[server:main]\npaste.server_runner = another_server:serve\nport = 1"
    ini = with_sections(ini, section)

    assert in_process(ini).err.endswith(f"{ini}: [server:main]: no {{'port': '1'}}\n")
    assert "whose port is set there alone" in in_process(ini, "--port", "9").err


@pytest.mark.clause("E-7.1", "P-30.3")
@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("[server:main]\nuse = egg:nowhere", "nowhere"),
        ("[server:main]\nhost = localhost", "No loader given in section 'server:main'"),
        ("[loggers]\nkeys = root, missing", "logging: "),
    ],
)
def test_wrong_sections_are_told_in_one_line(
    in_process: Callable[..., Any], ini: str, section: str, told: str
) -> None:
    outcome = in_process(with_sections(ini, section))

    assert outcome.code == 1
    assert outcome.err.startswith(f"cliquet start: {ini}: ")
    assert told in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.clause("E-7.4")
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("use = egg:watress", "No package metadata was found for watress"),
        ("use = egg:watress", "; did you mean 'egg:waitress#main'?"),
        ("use = egg:waitress#mian", "; did you mean 'egg:waitress#main'?"),
        ("use = egg:cliquet", "Entry point 'main' not found in egg 'cliquet'"),
        ("use = egg:", "A distribution name is required; allowed: "),
        ("use = call:waitress", "Configuration not in format module:function; allowed: "),
        ("use = call:waitress:srve", "module 'waitress' has no attribute 'srve'; allowed: "),
        ("use = waitress", "No section 'waitress'"),
        ("use =", "No section ''"),
        ("use = config:nowhere.ini", "there is no such file"),
        ("paste.server_runner = waitress:srve", "module 'waitress' has no attribute 'srve'"),
    ],
)
def test_what_a_section_of_a_server_cannot_name_is_told_with_the_section(
    in_process: Callable[..., Any], ini: str, option: str, said: str
) -> None:
    outcome = in_process(with_sections(ini, f"[server:main]\n{option}"))

    assert outcome.code == 1
    assert outcome.err.startswith(f"cliquet start: {ini}: [server:main] {option}")
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.clause("E-7.4")
def test_the_section_of_another_file_is_told_with_that_file(
    in_process: Callable[..., Any], ini: str
) -> None:
    other = os.path.join(os.path.dirname(ini), "other.ini")
    with open(other, "w") as file:
        file.write("[server:web]\nuse = egg:watress\n")

    outcome = in_process(with_sections(ini, "[server:main]\nuse = config:other.ini#web"))

    assert f"{ini}: [server:web] of {other} use = egg:watress: No package" in outcome.err


@pytest.mark.clause("E-7.4")
@pytest.mark.parametrize(
    ("use", "said"),
    [
        ("call:json:dumps", "the server is an object of the type str; allowed: a server, as in "),
        ("call:mistaken:serve", "the server takes (environ, start_response), and is called with"),
    ],
)
def test_what_is_no_server_is_told_with_its_section(
    in_process: Callable[..., Any],
    ini: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    use: str,
    said: str,
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mistaken.py").write_text(
        "def serve(global_config, **options):\n    return lambda environ, start_response: []\n"
    )

    outcome = in_process(with_sections(ini, f"[server:main]\nuse = {use}"))

    assert outcome.code == 1
    assert f"cliquet start: {ini}: [server:main]: {said}" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.clause("E-7.4")
def test_a_section_of_a_server_that_nothing_reads_is_told(
    in_process: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "_serve_with", lambda *arguments: None)
    with capture_logs() as entries:
        in_process(with_sections(ini, "[server:mian]\nuse = egg:waitress"))

    told = [entry["event"] for entry in entries if "mian" in entry["event"]]
    assert told == [
        f"[server:mian] is not read; allowed: [server:main], or {ini}#mian as the file."
    ]


@pytest.mark.clause("E-7.1", "P-30.3")
def test_unknown_options_of_the_server_are_told(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start.signal, "signal", lambda *arguments: None)
    section = "[server:main]\nuse = egg:waitress\nthreadz = 3"

    outcome = cliquet("start", "--ini", with_sections(ini, section))

    assert outcome.code == 1
    assert outcome.err == f"cliquet start: {ini}: [server:main]: Unknown adjustment 'threadz'\n"


@servers
@pytest.mark.clause("E-7.1", "P-30.3")
@pytest.mark.usefixtures("processes")
def test_a_port_in_use_is_told_in_one_line(ini: str, server: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        outcome = run_process("start", "--ini", ini, "--port", str(port), "--server", server)

    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    last = outcome.err.splitlines()[-1]
    assert last.startswith(f"cliquet start: {ini}: localhost:{port}: ")
    assert "in use" in last


@pytest.mark.clause("E-7.1", "P-30.6")
@pytest.mark.parametrize("port", ["many", "65536", "80.5"])
def test_wrong_ports_give_the_usage(in_process: Callable[..., Any], ini: str, port: str) -> None:
    outcome = in_process(ini, "--port", port)

    assert outcome.code == 2
    assert f"argument --port: invalid port value: '{port}'" in outcome.err


@pytest.mark.clause("E-7.1")
def test_a_file_that_does_not_exist_is_not_waited_for(
    in_process: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = in_process(str(tmp_path / "missing.ini"), "--reload")

    assert outcome.code == 1
    assert "there is no such file" in outcome.err


@pytest.mark.clause("E-7.1")
def test_an_interruption_while_loading_is_an_end_in_good_order(
    in_process: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "serve", interrupt)

    assert in_process(ini).code == 0


@pytest.mark.clause("E-7.1")
def test_the_code_of_a_killed_process_is_not_that_of_the_command(
    in_process: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(path: str, **options: Any) -> None:
        raise SystemExit(-9)

    monkeypatch.setattr(start.hupper, "start_reloader", end)

    assert in_process(ini, "--reload").code == 0


@pytest.mark.clause("E-7.1")
def test_a_reload_leaves_the_server_more_time_than_it_takes(
    in_process: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Granian kills a worker that misses the signal after a while, and then has to end itself."""
    given: dict[str, float] = {}
    monkeypatch.setattr(
        start.hupper, "start_reloader", lambda path, **options: given.update(options)
    )

    in_process(ini, "--reload")

    assert given["shutdown_interval"] >= granian_server.GRACE_SECONDS + 3


@pytest.mark.clause("E-7.1")
def test_the_file_is_watched(
    in_process: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = []
    monkeypatch.setattr(start.hupper, "is_active", lambda: True)
    monkeypatch.setattr(start.hupper, "get_reloader", lambda: Watcher(watched))

    assert in_process(f"{ini}#main", "--reload").code == 0
    assert watched == [ini]


class Watcher:
    def __init__(self, watched: Any) -> None:
        self.watch_files = watched.extend


def test_a_signal_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_told_at", -math.inf)
    # Streams of other tests in this process would end.
    monkeypatch.setattr(stopping, "_is_begun", False)
    with pytest.raises(SystemExit) as ended:
        start.stop_with_success(signal.SIGTERM, None)
    assert ended.value.code == 0

    # Those who are told again while they stop go on with it.
    start.stop_with_success(signal.SIGTERM, None)

    monkeypatch.setattr(start, "_told_at", time.monotonic() - granian_server.GRACE_SECONDS)
    with pytest.raises(SystemExit):
        start.stop_with_success(signal.SIGTERM, None)


INTERRUPTED = """
import signal, sys
from cliquet.feed import stopping

def interrupt(frame, event, argument):
    # A signal comes at each line, and its handler tells the end once more.
    sys.settrace(None)
    stopping.begin()
    sys.settrace(interrupt)
    return interrupt

sys.settrace(interrupt)
stopping.begin()
sys.settrace(None)
assert stopping.has_begun()
"""


@pytest.mark.clause("E-14.6")
@pytest.mark.usefixtures("processes")
def test_the_end_may_be_told_in_the_middle_of_telling_it() -> None:
    run_program([sys.executable, "-c", INTERRUPTED], check=True, timeout=60)
