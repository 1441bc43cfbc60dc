"""``cliquet shell``: what is there, and how the code gets in."""

import code
import io
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from cliquet.scripts import shell


def piped(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(program))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.clause("E-7.2")
def test_a_program_finds_the_application_and_a_request(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(
        monkeypatch,
        "record = storage.create('task', 'me', {'a': 1})\n"
        "print(storage.get('task', 'me', record['id'])['a'], request.registry is registry)\n"
        "print(request.prefixed_userid, settings['project_name'], cache, permission)\n"
        "print(request.get_response)\n"
        "print(request.copy().get_response(app).status)\n",
    )

    outcome = cliquet("shell", "--ini", ini)

    assert outcome.code == 0, outcome.err
    first, second, *_, last = outcome.out.splitlines()
    assert first == "1 True"
    assert second.startswith("None testapp <cliquet.cache.memory.")
    # The root redirects to its version.
    assert last == "307 Temporary Redirect"


@pytest.mark.clause("E-7.2", "E-7.4")
def test_an_error_of_the_program_is_its_own(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, "1 / 0\n")

    with pytest.raises(ZeroDivisionError):
        cliquet("shell", "--ini", ini)


@pytest.mark.clause("E-7.2")
def test_a_terminal_gets_a_prompt_that_knows_the_names(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(shell.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(code, "interact", lambda banner, **kwargs: given.append((banner, kwargs)))

    assert cliquet("shell", "--ini", ini).code == 0
    ((banner, kwargs),) = given
    assert "storage      the storage of records" in banner
    assert {"app", "request", "registry", "settings", "cache"} <= set(kwargs["local"])


@pytest.mark.clause("E-7.2")
def test_ipython_is_taken_where_it_is_installed(
    cliquet: Callable[..., Any], ini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    ipython = types.ModuleType("IPython")
    ipython.start_ipython = lambda **kwargs: started.append(kwargs)  # type: ignore[attr-defined]
    ipython.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(sys, "stdin", Terminal())

    outcome = cliquet("shell", "--ini", ini)

    assert outcome.code == 0
    assert "the storage of records" in outcome.out
    assert started[0]["user_ns"]["storage"] is started[0]["user_ns"]["registry"].storage
