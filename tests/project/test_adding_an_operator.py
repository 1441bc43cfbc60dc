"""Whoever adds an operator of filters edits the two files that ``docs/architecture.rst`` names."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from project.test_architecture_page import rows
from servers.starting import run_program

from cliquet.storage.operators import COMPARISON
from cliquet.storage.relational.operators import CONDITIONS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cliquet"
IN_PYTHON = "storage/operators.py"
IN_SQL = "storage/relational/operators.py"

# The operator ``starts_``: a text that begins with another one, in any case.
ADDITIONS = {
    IN_PYTHON: (
        '    LIKE = "like", Takes.PATTERN, _Likeness(), '
        '"is like this text; `*` stands for any characters"\n',
        '    STARTS = "starts", Takes.PATTERN, _Beginning(), "begins with this text"\n',
        "class Takes(",
        """
class _Beginning(_Likeness):
    def operand(self, keys, value, *, in_rule):
        return [value.lower(), ""]


""",
    ),
    IN_SQL: (
        "    COMPARISON.LIKE: _Likeness(),\n",
        "    COMPARISON.STARTS: _Beginning(),\n",
        "CONDITIONS: Final",
        """
class _Beginning(Condition):
    def of_id(self, dialect, value):
        return dialect.text_is_like(ID, Pattern.of(value, ""))

    def of_field(self, dialect, field, value, *, is_indexed, in_rule):
        return dialect.is_like(field, Pattern.of(value, ""))


from cliquet.core.globs import Pattern

""",
    ),
}
LIST = """
import json, sys
import colander
import cliquet
from cliquet.resource import ResourceSchema, UserResource
from cliquet.testing.web import basic_auth, make_app
assert cliquet.__file__.startswith(sys.argv[1])

class Mushroom(UserResource):
    class Schema(ResourceSchema):
        name = colander.SchemaNode(colander.String())
    mapping = Schema()

found = {}
for backend, url in (("memory", ""), ("sqlite", f"sqlite:///{sys.argv[1]}/data.db")):
    settings = {"storage_backend": f"cliquet.storage.{backend}", "storage_url": url}
    app = make_app([Mushroom], settings=settings)
    headers = basic_auth("ann")
    if backend == "sqlite":
        app.app.registry.storage.initialize_schema()
    for name in ("Cep", "cepe", "Morel", "ice"):
        app.post_json("/v0/mushrooms", {"data": {"name": name}}, headers=headers)
    for query in ("starts_name=CE", "starts_name=CE&min_name=C&max_name=z&not_name=cepe"):
        answer = app.get(f"/v0/mushrooms?{query}&_sort=name", headers=headers)
        found[f"{backend} {query}"] = [record["name"] for record in answer.json["data"]]
print(json.dumps(found))
"""


def test_every_operator_has_a_condition_in_sql() -> None:
    assert list(CONDITIONS) == list(COMPARISON)


def test_the_page_names_the_two_files() -> None:
    # The page also names this test, and the page for clients.
    assert rows()["An operator of filters"][:2] == [IN_PYTHON, IN_SQL]


@pytest.mark.parametrize("operator", ["LIKE", "HAS", "CONTAINS", "CONTAINS_ANY"])
def test_no_other_file_knows_the_operator(operator: str) -> None:
    named = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(
            rf"\bCOMPARISON\.{operator}\b|COMPARISON\[.{operator}", path.read_text("utf-8")
        )
        and PACKAGE / "testing" not in path.parents
    }

    assert COMPARISON[operator].name == operator
    assert named <= {IN_PYTHON, IN_SQL}


@pytest.mark.slow
@pytest.mark.usefixtures("processes")
def test_an_operator_that_is_added_there_works_in_urls(tmp_path: Path) -> None:
    package = tmp_path / "cliquet"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, (neighbour, line, place, code) in ADDITIONS.items():
        text = (package / path).read_text("utf-8")
        assert text.count(neighbour) == text.count(f"\n{place}") == 1
        text = text.replace(neighbour, neighbour + line)
        (package / path).write_text(
            text.replace(f"\n{place}", f"\n{code.lstrip()}{place}"), "utf-8"
        )

    run = run_program(
        [sys.executable, "-c", LIST, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {
        f"{backend} {query}": names
        for backend in ("memory", "sqlite")
        for query, names in (
            ("starts_name=CE", ["Cep", "cepe"]),
            ("starts_name=CE&min_name=C&max_name=z&not_name=cepe", ["Cep"]),
        )
    }
