"""The Python of the pages has types that fit: each block is checked as its reader would do it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.rst",
    "docs/quickstart.rst",
    "docs/reference/authentication.rst",
    "docs/reference/backends.rst",
    "docs/reference/events.rst",
    "docs/reference/logging.rst",
    "docs/reference/resource.rst",
)
BLOCK = re.compile(r"^( *)\.\. code-block:: python\n\n((?:\1   .*\n|\n)+)", re.MULTILINE)
# What the text around a block has imported already.
BEFORE = (
    "import cliquet\nfrom cliquet import resource\nfrom pyramid.config import Configurator\n"
    "config = Configurator()\n"
)


def blocks() -> Iterator[str]:
    for page in PAGES:
        for found in BLOCK.finditer((ROOT / page).read_text("utf-8")):
            yield textwrap.dedent(found[2])


@pytest.mark.slow
@pytest.mark.clause("E-8.14")
def test_blocks_of_the_pages_type_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for number, text in enumerate(blocks()):
        files.append(tmp_path / f"block_{number}.py")
        files[-1].write_text(BEFORE + text)
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    config = tmp_path / "mypy.ini"
    config.write_text(
        "[mypy]\ncheck_untyped_defs = true\nfollow_imports = silent\n"
        "disable_error_code = import-untyped, import-not-found, no-redef\n"
    )

    told, errors, code = api.run(
        ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), *map(str, files)]
    )

    assert len(files) > 4
    assert (code, errors) == (0, ""), told
