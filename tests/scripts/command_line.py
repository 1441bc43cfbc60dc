"""Runs the program as its users do, and writes the files that it reads."""

import sys
from dataclasses import dataclass
from typing import Any

from servers.starting import run_program

from cliquet.scripts.cliquet import main

PROGRAM = [sys.executable, "-c", "from cliquet.scripts.cliquet import main; main()"]

MEMORY = {
    "storage_backend": "cliquet.storage.memory",
    "cache_backend": "cliquet.cache.memory",
    "permission_backend": "cliquet.permission.memory",
}


@dataclass(frozen=True)
class Outcome:
    """What a run of the program left."""

    code: int
    out: str
    err: str


def write_ini(path: Any, settings: Any, use: Any = "call:cliquet.testing.testapp:main") -> Any:
    """Write the file of a service, and return its path as text."""
    lines = ["[app:main]", f"use = {use}"]
    lines += [f"cliquet.{name} = {value}" for name, value in settings.items()]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def run(monkeypatch: Any, capsys: Any, *arguments: Any) -> Any:
    """Run the program in this process."""
    monkeypatch.setattr(sys, "argv", ["cliquet", *arguments])
    code = 0
    try:
        assert main() is None  # type: ignore[func-returns-value]
    except SystemExit as error:
        code = error.code  # type: ignore[assignment]
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)


def run_process(*arguments: Any, options: Any = (), **kwargs: Any) -> Any:
    """Run the program in a process of its own."""
    command = [PROGRAM[0], *options, *PROGRAM[1:], *arguments]
    done = run_program(command, capture_output=True, text=True, timeout=120, check=False, **kwargs)
    return Outcome(done.returncode, done.stdout, done.stderr)
