"""Errors of an application are shown with its lines, those of the library in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.command_line import MEMORY, run_process, write_ini

START = """
import cliquet
from pyramid.config import Configurator


def main(global_config, **settings):
    config = Configurator(settings=settings)
"""
OWN = {
    "a key": (
        '    config.nothing["colour"]\n',
        'config.nothing["colour"]',
        "AttributeError: nothing",
    ),
    "its own words": (
        '    raise KeyError("colour")\n',
        'raise KeyError("colour")',
        "KeyError: 'colour'",
    ),
    "a missing file": (
        '    open("/nowhere/secrets.json")\n',
        'open("/nowhere/secrets.json")',
        "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/secrets.json'",
    ),
    "a wrong call of the library": (
        "    cliquet.initialize()\n",
        "cliquet.initialize()",
        "TypeError: initialize() missing 1 required positional argument: 'config'",
    ),
    "a wrong call of Pyramid": (
        '    config.add_route("x")\n    return config.make_wsgi_app()\n',
        'config.add_route("x")',
        'ConfigurationError: "pattern" argument may not be None',
    ),
    "the standard library": (
        '    __import__("json").loads("{")\n',
        '__import__("json").loads("{")',
        "json.decoder.JSONDecodeError: ",
    ),
}


@pytest.fixture
def migrate(processes: None, tmp_path: Path) -> Any:
    """Return a function that runs a command on an application with this code."""

    def run(code: str, *options: str, **settings: str) -> Any:
        (tmp_path / "shop.py").write_text(code)
        (tmp_path / "service.ini").unlink(missing_ok=True)
        write_ini(tmp_path / "service.ini", {**MEMORY, **settings}, use="call:shop:main")
        return run_process("--ini", "service.ini", *options, "migrate", cwd=tmp_path)

    return run


@pytest.mark.clause("E-7.4")
@pytest.mark.parametrize("case", OWN)
def test_an_error_of_the_application_is_shown_with_its_lines(
    migrate: Callable[..., Any], tmp_path: Path, case: str
) -> None:
    body, line, said = OWN[case]
    number = START.count("\n") + 1

    outcome = migrate(START + body)

    told = outcome.err[outcome.err.index("cliquet migrate: ") :].splitlines()
    assert outcome.code == 1
    assert told[0] == (
        "cliquet migrate: service.ini: the application raised an error (--debug shows all calls):"
    )
    assert told[1:4] == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/shop.py", line {number}, in main',
        f"    {line}",
    ]
    # Some releases of Python mark the place in the line.
    after = [one for one in told[4:] if one.strip("~^ ")]
    assert [one for one in after if said in one] != []
    assert "paste" not in outcome.err


@pytest.mark.clause("E-7.4")
def test_debug_shows_all_calls(migrate: Callable[..., Any]) -> None:
    outcome = migrate(START + '    raise KeyError("colour")\n', "--debug")

    assert outcome.code == 1
    assert "paste/deploy/loadwsgi.py" in outcome.err
    assert "shop.py" in outcome.err


@pytest.mark.clause("E-7.4")
def test_debug_shows_the_calls_of_an_error_of_the_library(migrate: Callable[..., Any]) -> None:
    code = f"{START}    cliquet.initialize(config, '1.0', 'shop')\n"
    short, long = migrate(code, readonly="tru"), migrate(code, "--debug", readonly="tru")

    assert short.err.endswith(
        "cliquet migrate: service.ini: Setting 'readonly' is 'tru'; allowed: true or false.\n"
    )
    assert "Traceback" not in short.err
    assert long.err.endswith(short.err[short.err.index("cliquet migrate: ") :])
    assert 'shop.py", line' in long.err


@pytest.mark.clause("E-7.4")
def test_an_import_that_the_application_lacks_is_shown_with_its_line(
    migrate: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = migrate("import stripe_of_nobody\n")

    assert f'File "{tmp_path}/shop.py", line 1, in <module>' in outcome.err
    assert outcome.err.endswith("ModuleNotFoundError: No module named 'stripe_of_nobody'\n")


@pytest.mark.clause("E-7.4")
def test_a_plugin_that_fails_is_shown_with_its_line(
    migrate: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "plugin.py").write_text("import stripe_of_nobody\n")
    code = f"{START}    cliquet.initialize(config, '1.0', 'shop')\n"

    lacking = migrate(code, includes="plugin")
    missing = migrate(code, includes="plugins")

    assert f'File "{tmp_path}/plugin.py", line 1, in <module>' in lacking.err
    assert "Traceback" not in missing.err
    assert missing.err.endswith(
        "service.ini: Setting 'includes' has 'plugins': No module named 'plugins'; "
        "allowed: a module with includeme().\n"
    )


@pytest.mark.clause("E-7.4")
def test_code_that_cannot_be_compiled_is_shown_with_its_line(
    migrate: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = migrate("def main(:\n    pass\n")

    assert outcome.code == 1
    assert f'File "{tmp_path}/shop.py", line 1' in outcome.err
    assert "SyntaxError: " in outcome.err.splitlines()[-1]
    assert "paste" not in outcome.err


@pytest.mark.clause("E-7.4")
def test_a_mistake_that_the_library_found_is_one_line_with_its_place(
    migrate: Callable[..., Any], tmp_path: Path
) -> None:
    code = (
        f"from cliquet import resource\n{START}"
        "    cliquet.initialize(config, '1.0', 'shop')\n"
        "    config.scan('shop')\n"
        "    return config.make_wsgi_app()\n\n\n"
        "@resource.register(colection_path='/x')\n"
        "class Article(resource.UserResource):\n"
        "    pass\n"
    )
    number = code.splitlines().index("@resource.register(colection_path='/x')") + 1

    outcome = migrate(code)

    assert f"service.ini: {tmp_path}/shop.py:{number}: class Article: register() has" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.clause("E-7.4")
def test_secrets_in_the_message_of_an_application_are_masked(migrate: Callable[..., Any]) -> None:
    outcome = migrate(f"{START}    raise ValueError('no server: postgresql://me:pass1@db/x')\n")

    # The line of the source is the author's own.
    assert outcome.err.splitlines()[-1] == "ValueError: no server: postgresql://me:********@db/x"
