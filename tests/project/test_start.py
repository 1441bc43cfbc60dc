"""What the start of a service leaves alone, because nobody has asked for it yet."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from servers.starting import run_program

ROOT = Path(__file__).parents[2]

# What a service does without until a client or a setting wants it.
LATER = (
    *("cliquet.feed.", "cliquet.openapi", "cliquet.resource.adapters."),
    *("cliquet.security.jwt_policy", "cliquet.security.api_key"),
    *("cliquet.storage.relational", "cliquet.connections.sql"),
    *("difflib", "jsonpatch", "jsonschema", "pydantic", "structlog"),
    *("jwt", "redis", "sqlite3", "uvicorn", "starlette"),
)

START = """
import inspect, json, sys
from pyramid.config import Configurator
import cliquet

kinds = ("storage", "permission", "cache")
settings = {f"{kind}_backend": f"cliquet.{kind}.memory" for kind in kinds}
config = Configurator(settings={**settings, "project_name": "shop", "userid_hmac_secret": "a"})
cliquet.initialize(config, version="1.0")
config.scan("cliquet.testing.testapp.views")
config.make_wsgi_app()
print(json.dumps([sorted(sys.modules), len(inspect.modulesbyfile)]))
"""


@pytest.mark.usefixtures("processes")
def test_a_start_loads_no_feature_that_nobody_has_asked_for() -> None:
    run = run_program(
        [sys.executable, "-W", "ignore", "-c", START],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    imported, files_of_modules = json.loads(run.stdout.splitlines()[-1])
    assert [name for name in imported if name.startswith(LATER)] == []
    # `inspect` was told what it needs, and has not looked at the files of all modules.
    assert files_of_modules < len(imported) / 10
