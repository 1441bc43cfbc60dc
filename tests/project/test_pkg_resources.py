"""The warning of a package that Pyramid needs does not reach whoever runs a service."""

from __future__ import annotations

import sys

import pytest
from servers.starting import run_program


@pytest.mark.parametrize("import_first", ["cliquet", "cliquet.storage.base", "cliquet.scripts"])
@pytest.mark.usefixtures("processes")
def test_pyramid_is_imported_without_a_warning(import_first: str) -> None:
    program = f"import {import_first}\nimport pyramid.config, cornice"

    run = run_program(
        # That of WebOb about `cgi` is hidden by default, and is not ours to filter.
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.usefixtures("processes")
def test_other_warnings_are_still_shown() -> None:
    program = "import warnings, cliquet; warnings.warn('of the application')"

    run = run_program([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "UserWarning: of the application" in run.stderr


@pytest.mark.usefixtures("processes")
def test_a_setuptools_without_the_module_is_no_error() -> None:
    program = "import sys; sys.modules['pkg_resources'] = None; import cliquet; print('imported')"

    run = run_program([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert run.stdout == "imported\n"
