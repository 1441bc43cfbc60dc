"""The files of a new service, and the code that writes all of them or none."""

from __future__ import annotations

import importlib.util
import json
import keyword
import os
import re
import secrets
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, Final

from cliquet.scripts.command import CommandError
from cliquet.scripts.production_ini import production_ini
from cliquet.scripts.templating import render

__all__ = ["local_origin", "module_name", "requirement", "service_files", "write_files"]

_TEMPLATES: Final = {
    ".dockerignore": "dockerignore.txt",
    ".github/workflows/ci.yml": "ci.yml.txt",
    ".gitignore": "gitignore.txt",
    "Dockerfile": "Dockerfile.txt",
    "Makefile": "Makefile.txt",
    "README.rst": "README.rst.txt",
    "compose.yaml": "compose.yaml.txt",
    "config/development.ini": "development.ini.txt",
    "gunicorn.conf.py": "gunicorn.conf.py.txt",
    "pyproject.toml": "pyproject.toml.txt",
    "tests/test_tasks.py": "test_tasks.py.txt",
    "{module}/__init__.py": "package.py.txt",
    "{module}/resources.py": "resources.py.txt",
}

# The folders of the service and the module of its tests have these names.
_TAKEN: Final = frozenset({"build", "config", "tests", "test_tasks"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def module_name(folder: str) -> str:
    """Return the name of the Python module of a service, made from the name of its folder.

    Raises
    ------
    CommandError : no name can be made, or another module has this name.
    """
    name = re.sub(r"[-. ]+", "_", folder.strip()).lower()
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise CommandError(
            f"no Python module can be named after {folder!r}: take a name of Latin letters, "
            "digits and hyphens which starts with a letter and is no word of the language"
        )
    if name in _TAKEN or name in sys.stdlib_module_names or _is_installed(name):
        raise CommandError(f"there is a Python module named {name!r} already: take another name")
    return name


def _is_installed(name: str) -> bool:
    found = importlib.util.find_spec(name)
    # A folder without code, such as the empty folder of the new service, has no origin.
    return found is not None and found.origin is not None


def requirement(extra: str = "") -> str:
    """Return the requirement with which pip installs the cliquet that is running.

    It names the version. Only what no index can have, a folder in editable mode or a commit of a
    repository, is named by its place (PEP 610).

    Parameters
    ----------
    extra : extra of cliquet that is installed with it.
    """
    origin = _origin()
    if "vcs_info" not in origin and not origin.get("dir_info", {}).get("editable"):
        return _by_version(extra)
    url = origin["url"]
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return f"{_with_extra(extra)} @ {url}"


def local_origin() -> str | None:
    """Return the address on this machine from which cliquet was installed, or None.

    No other machine has what is there: a clone, or a wheel.
    """
    url: str = _origin().get("url", "")
    return url if url.startswith("file:") else None


def _origin() -> Any:
    text = metadata.distribution("cliquet").read_text("direct_url.json")
    return json.loads(text or "{}")


def _by_version(extra: str = "") -> str:
    major, minor = metadata.version("cliquet").split(".")[:2]
    return f"{_with_extra(extra)}>={major}.{minor},<{int(major) + 1}"


def _with_extra(extra: str) -> str:
    return f"cliquet[{extra}]" if extra else "cliquet"


def service_files(module: str) -> dict[str, str]:
    """Return the text of each file of a service, by its path in the folder."""
    values = {
        "module": module,
        "distribution": module.replace("_", "-"),
        "title": module,
        "underline": "=" * len(module),
        "secret": secrets.token_hex(32),
        "cliquet": requirement(),
        "cliquet_postgresql": requirement("postgresql"),
        "cliquet_by_version": _by_version(),
        "cliquet_postgresql_by_version": _by_version("postgresql"),
    }
    files = {
        path.format(module=module): render(template, values)
        for path, template in _TEMPLATES.items()
    }
    files["config/production.ini"] = production_ini(module, "task")
    return files


def _open_private(path: str, flags: int) -> int:
    """Open a new file that only its owner may read, because settings hold secrets."""
    return os.open(path, flags, 0o600)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder that is empty or does not exist yet.

    Raises
    ------
    CommandError : the folder has files already, or it is not a folder.
    OSError : a file cannot be written; then all the files are removed again.
    """
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is not a folder")
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"the folder {folder} is not empty")
    created: list[Path] = []
    try:
        for path, text in files.items():
            target = folder / PurePosixPath(path)
            missing = [parent for parent in target.parents if not parent.exists()]
            for parent in reversed(missing):
                parent.mkdir()
                created.append(parent)
            opener = _open_private if target.suffix == ".ini" else None
            with open(target, "x", encoding="utf-8", opener=opener) as file:
                created.append(target)
                file.write(text)
    except BaseException:
        for written in reversed(created):
            if written.is_dir():
                written.rmdir()
            else:
                written.unlink()
        raise
