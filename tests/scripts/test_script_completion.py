"""The completion of each shell knows all commands and options; each shell is asked itself."""

import argparse
import shutil
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.starting import run_program

from cliquet.scripts import completion
from cliquet.scripts.cliquet import COMMANDS, _make_parsers

BASH = """
source <(printf '%s' "$SCRIPT")
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_cliquet 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""

ZSH = """
autoload -U compinit; compinit -u -d "$PWD/.zcompdump"
eval "$SCRIPT"
compadd() { shift; print -l -- "$@" }
_files() { print -l -- * }
words=("$@"); CURRENT=$#
_cliquet
true
"""

FISH = """
printf '%s\\n' $SCRIPT | source
complete -C "$LINE" | string split -f1 \\t
true
"""


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    return _make_parsers()[0]


def completed(shell: str, parser: Any, folder: Path, *words: str) -> set[str]:
    """Return what a shell offers for the last of the words."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    script = completion.script(shell, parser)
    source = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    arguments = {
        "bash": ["-c", source, "bash", *words],
        "zsh": ["-f", "-c", source, "zsh", *words],
        "fish": ["--no-config", "-c", source],
    }[shell]
    done = run_program(
        [program, *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "SCRIPT": script,
            "LINE": " ".join(words),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.split())
    # Our stand-in for zsh gives all words, of which zsh takes those that fit.
    return {word for word in found if word.startswith(words[-1])}


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize("shell", completion.SHELLS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cliquet", "mi"], {"migrate"}),
        (["cliquet", "--ini", "service.ini", "flu"], {"flush-cache"}),
        (["cliquet", "start", "--p"], {"--port"}),
        (["cliquet", "start", "--server", "g"], {"granian"}),
        (["cliquet", "purge-deleted", "--before", "30d", "--dr"], {"--dry-run"}),
        (["cliquet", "keys", "cr"], {"create"}),
        (["cliquet", "keys", "create", "--l"], {"--label"}),
        (["cliquet", "completion", "ba"], {"bash"}),
        (["cliquet", "--ini", "serv"], {"service.ini"}),
        (["cliquet", "copy", "--to-ini", "serv"], {"service.ini"}),
    ],
)
@pytest.mark.usefixtures("processes")
def test_each_shell_completes(
    parser: ArgumentParser, tmp_path: Path, shell: str, words: list[str], expected: set[str]
) -> None:
    (tmp_path / "service.ini").touch()

    assert completed(shell, parser, tmp_path, *words) == expected


@pytest.mark.clause("E-7.2")
@pytest.mark.usefixtures("processes")
def test_bash_takes_a_value_after_the_sign_of_equality(
    parser: ArgumentParser, tmp_path: Path
) -> None:
    (tmp_path / "service.ini").touch()

    words = ["cliquet", "migrate", "--ini", "=", "serv"]
    assert completed("bash", parser, tmp_path, *words) == {"service.ini"}


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize("shell", completion.SHELLS)
def test_no_command_and_no_option_is_forgotten(cliquet: Callable[..., Any], shell: str) -> None:
    outcome = cliquet("completion", shell)

    assert outcome.code == 0
    assert outcome.err == ""
    for name in [command.name for command in COMMANDS] + ["before", "overwrite", "expires"]:
        assert name in outcome.out


@pytest.mark.clause("E-7.2", "P-30.6")
def test_an_unknown_shell_gives_the_usage(cliquet: Callable[..., Any]) -> None:
    outcome = cliquet("completion", "tcsh")

    assert outcome.code == 2
    assert "choose from" in outcome.err
