"""The layers of the package, and what importing it does: nothing.

The diagram is in ``docs/architecture.rst``.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from servers.starting import run_program
from support.sources import text_of, tree_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cliquet"

# The folders of each layer, and the modules that stay at the top because they are published there.
LAYERS = {
    "core": {"core", "settings", "types", "utils"},
    "monitoring": {"monitoring", "logs", "statsd"},
    "transactions": {"transactions"},
    "connections": {"connections", "migrations"},
    "security": {"security", "authentication", "authorization"},
    "web": {"web", "errors", "events"},
    "feed": {"feed"},
    "resource": {"resource", "schema"},
    "openapi": {"openapi"},
    "views": {"views"},
    "initialization": {"initialization"},
    "scripts": {"scripts"},
    "client": {"client"},
    "testing": {"testing", "tests"},
}
# Of each, the modules in the folder itself are the contract; its subfolders are the backends.
COMPONENTS = {"storage", "cache", "permission"}
# All of the transaction of a request is in one folder, with the parts that know requests.
IN_ANOTHER_LAYER = {
    "cliquet.transactions.one_tween": "web",
    "cliquet.transactions.tweens": "web",
}
# From the lowest; a layer may import itself and those of its entry.
STORED = {"contracts", "monitoring", "core"}
MAY_IMPORT = {
    "core": set(),
    "monitoring": {"core"},
    "transactions": set(),
    "contracts": {"monitoring", "core"},
    "connections": {"transactions", "monitoring", "core"},
    "backends": {"connections", "transactions", *STORED},
    "security": STORED,
    "web": {"security", "transactions", *STORED},
    "feed": {"web", "security", *STORED},
    "resource": {"feed", "web", "security", *STORED},
    "openapi": {"resource", "feed", "web", "security", *STORED},
    "views": {"openapi", "resource", "web", "security", *STORED},
    "initialization": {"views", "openapi", "resource", "feed", "web", "security", *STORED},
    "facade": {"initialization", "web", "security", "monitoring", "core"},
    # A command loads an application through Pyramid, and speaks to the contracts of its backends.
    "scripts": {"initialization", "feed", "web", "security", *STORED},
    # It runs at the other end, and knows the service by its protocol alone.
    "client": set(),
    "testing": {
        *("initialization", "resource", "feed", "web", "security", "connections", "transactions"),
        *STORED,
    },
}
WITHOUT_A_WEB_FRAMEWORK = {"core", "transactions", "contracts", "connections", "backends"}
WEB_FRAMEWORKS = {"pyramid", "cornice", "webob", "webtest", "venusian"}

EXCEPTIONS = {
    # What the storages share that join the transaction of a request.
    ("cliquet.storage.joining", "cliquet.transactions.own"),
    ("cliquet.storage.joining", "cliquet.transactions.scope"),
    # A command is no request: the time limits of requests are not its own.
    ("cliquet.scripts.command", "cliquet.transactions.scope"),
}

MAX_LINES = 500
# Between 400 and 500 lines: why the module is not cut.
LONG_MODULES = {
    "cliquet/storage/base.py": "the contract: what every method promises, hardly any code",
    "cliquet/permission/base.py": "the contract: what every method promises, hardly any code",
    "cliquet/storage/postgresql/steps.py": "all steps share what is known under a lock",
    "cliquet/resource/user.py": "the published class: what applications override, hardly any code",
}


class Import(NamedTuple):
    """One imported module, or name of a module.

    Attributes
    ----------
    module, name : ``from module import name``; the name is "" for ``import module``.
    is_at_run_time : false below ``if TYPE_CHECKING``.
    is_in_function : whether it happens when a function is called.
    """

    module: str
    name: str
    line: int
    is_at_run_time: bool
    is_in_function: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def imports_of(module: str) -> list[Import]:
    return list(_imports(tree_of(PATHS[module]), True, False))


def _imports(node: ast.AST, at_run_time: bool, in_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, "", child.lineno, at_run_time, in_function)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            for alias in child.names:
                yield Import(child.module or "", alias.name, child.lineno, at_run_time, in_function)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for statement in child.body:
                yield from _imports(ast.Module([statement], []), False, in_function)
            for statement in child.orelse:
                yield from _imports(ast.Module([statement], []), at_run_time, in_function)
        elif isinstance(child, ast.Assign):
            # It comes later, but the layers hold for it too.
            for module in lazy_modules(child):
                yield Import(module, "", child.lineno, at_run_time, in_function)
        elif isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from _imports(child, at_run_time, in_function or is_function)


def lazy_modules(statement: ast.Assign) -> Iterator[str]:
    """Yield the modules that an assignment imports at their first use, as `LazyModule("x")`."""
    for node in ast.walk(statement.value):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "LazyModule":
            yield ast.literal_eval(node.args[0])


def imported_module(found: Import) -> str:
    """Return the module that an import reads: `from cliquet import utils` reads cliquet.utils."""
    submodule = f"{found.module}.{found.name}"
    return submodule if submodule in PATHS else found.module


def layer_of(module: str) -> str:
    _, *parts = module.split(".")
    if not parts:
        return "facade"
    if module in IN_ANOTHER_LAYER:
        return IN_ANOTHER_LAYER[module]
    if parts[0] in COMPONENTS:
        is_backend = len(parts) > 1 and PATHS[".".join(module.split(".")[:3])].name == "__init__.py"
        return "backends" if is_backend else "contracts"
    if parts[0] == "listeners":
        return "backends"
    for layer, names in LAYERS.items():
        if parts[0] in names:
            return layer
    pytest.fail(f"{module} belongs to no layer: put it into the folder of one")


def is_allowed(importer: str, imported: str) -> bool:
    if (importer, imported) in EXCEPTIONS:
        return True
    from_layer, to_layer = layer_of(importer), layer_of(imported)
    if from_layer in ("contracts", "connections", "backends"):
        # Of the other components they know the errors of the storage alone.
        component = importer.split(".")[1]
        if imported.split(".")[1] in COMPONENTS - {component}:
            return imported == "cliquet.storage.exceptions" and from_layer != "contracts"
    return from_layer == to_layer or to_layer in MAY_IMPORT[from_layer]


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{found.line} imports {imported_module(found)}"
        for module, path in PATHS.items()
        for found in imports_of(module)
        if found.module.split(".")[0] == "cliquet"
        and found.is_at_run_time
        and not is_allowed(module, imported_module(found))
    ]

    assert wrong == []


def test_rules_refuse_what_the_diagram_forbids() -> None:
    forbidden = [
        ("cliquet.utils", "cliquet.errors"),
        ("cliquet.storage.base", "cliquet.cache.base"),
        ("cliquet.storage.base", "cliquet.storage.memory"),
        ("cliquet.core.jsonio", "cliquet.monitoring.logs"),
        ("cliquet.security.authorization", "cliquet.web.requests"),
        ("cliquet.monitoring.statsd", "cliquet.web.requests"),
        ("cliquet.storage.memory", "cliquet.errors"),
        ("cliquet.cache.memory", "cliquet.storage.memory"),
        ("cliquet.errors", "cliquet.resource"),
        ("cliquet.transactions.scope", "cliquet.transactions.tweens"),
        ("cliquet.resource.user", "cliquet.storage.memory"),
        ("cliquet.resource.user", "cliquet.initialization"),
        ("cliquet.initialization.web", "cliquet"),
        ("cliquet.resource.user", "cliquet.testing.web"),
    ]

    assert [pair for pair in forbidden if is_allowed(*pair)] == []


def test_lazy_modules_are_imports() -> None:
    source = """
if TYPE_CHECKING:
    from cliquet import views
else:
    views, x = LazyModule("cliquet.views.hello"), LazyModule("x")
"""
    found = list(_imports(ast.parse(source), True, False))

    assert [one.module for one in found if one.is_at_run_time] == ["cliquet.views.hello", "x"]


def test_no_module_imports_names_from_the_facade() -> None:
    wrong = [
        f"{module}:{found.line} imports {found.name or found.module}"
        for module in PATHS
        for found in imports_of(module)
        if found.module == "cliquet" and imported_module(found) == "cliquet"
    ]

    assert wrong == []


def test_no_module_hides_an_import_of_the_package_in_a_function() -> None:
    wrong = [
        f"{module}:{found.line} imports {imported_module(found)}"
        for module in PATHS
        for found in imports_of(module)
        if found.is_in_function and found.module.split(".")[0] == "cliquet"
    ]

    assert wrong == []


def test_modules_do_not_import_each_other() -> None:
    graph = {
        module: {
            imported_module(found)
            for found in imports_of(module)
            if found.is_at_run_time and imported_module(found) in PATHS
        }
        for module in PATHS
    }
    # Importing a sibling through its package, or the package for an attribute that tests replace,
    # is no cycle: the package is being imported already.
    for module, imported in graph.items():
        imported -= {parent for parent in graph if module.startswith(f"{parent}.")} | {module}

    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a cycle is a misplaced name: {error.args[1]}")


def test_modules_are_short() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(text_of(path).splitlines())
        for path in PATHS.values()
    }

    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}
    long = {name for name, count in lines.items() if count > 400}
    assert long <= set(LONG_MODULES), "say in LONG_MODULES why the module is not cut"


def test_no_module_gives_one_name_twice() -> None:
    """The second would silently stand for the first, also where the first was meant."""
    twice = []
    for module, path in PATHS.items():
        given = Counter[str]()
        for statement in tree_of(path).body:
            if isinstance(statement, ast.Assign):
                given.update(ast.unparse(target) for target in statement.targets)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                given[ast.unparse(statement.target)] += 1
            elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                given[statement.name] += 1
        twice += [f"{module}: {name}" for name, number in given.items() if number > 1]

    assert twice == []


def calls_of_steps_below(tree: ast.AST) -> Iterator[str]:
    """Yield the calls, in a class, of methods that only its subclasses have."""
    for one in ast.walk(tree):
        if not isinstance(one, ast.ClassDef):
            continue
        missing = {
            f"self.{method.name}"
            for method in one.body
            if isinstance(method, ast.FunctionDef) and "abstractmethod" in ast.unparse(method)
        }
        for call in ast.walk(one):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in missing:
                yield f"{one.name} calls {ast.unparse(call.func)}"


def test_backends_get_their_steps_handed_in() -> None:
    """Nobody has to look for a step in the subclasses, apart from the texts of a dialect."""
    found = [
        f"{module}: {call}"
        for module, path in PATHS.items()
        if layer_of(module) == "backends" and "abstractmethod" in text_of(path)
        for call in calls_of_steps_below(tree_of(path))
        if "Dialect calls" not in call
    ]

    assert found == []


def test_steps_of_subclasses_are_found() -> None:
    source = """
class A(abc.ABC):
    @abc.abstractmethod
    def lock(self): ...

    def write(self):
        self.lock()
        self.read()

    def read(self): ...
"""
    assert list(calls_of_steps_below(ast.parse(source))) == ["A calls self.lock"]


# What more than two modules may be named: the parts that every backend has.
NAMES_OF_PARTS = {
    *("base", "cache", "permission", "storage"),
    *("client", "pool"),
    *("departures", "dialect", "indexes", "reading", "steps", "values", "writing"),
}


def test_the_name_of_a_module_says_what_it_holds_without_its_path() -> None:
    names = Counter(
        path.stem
        for module, path in PATHS.items()
        if path.name != "__init__.py" and layer_of(module) != "testing"
    )

    assert {name for name, number in names.items() if number > 2} == NAMES_OF_PARTS


# Published with plain texts for patterns, and the place of the arguments that are read so.
TAKING_PATTERNS = {
    "delete_all": slice(1, 2),
    "purge_deleted": slice(1, 2),
    "delete_object_permissions": slice(None),
    "principals_accessible_objects": slice(2, 3),
    "get_accessible_objects": slice(1, 2),
}
KEYWORDS = {"parent_id", "object_id_match", "bound_permissions"}
# Without the argument it means every object, and reads nothing.
ALL_WITHOUT_ARGUMENT = "get_accessible_objects"
SAYING = {"Exact", "exact", "Pattern", "Pattern.of"}
# Where one is not called but handed on, with what its tests say of the argument.
HANDED_ON = {("cliquet.security.shared_listing", "principals_accessible_objects")}


def silent_arguments(module: str, tree: ast.AST) -> Iterator[str]:
    """Yield the calls whose argument does not say whether it is a name or a pattern (X-29)."""
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called.add(node.func)
            places = TAKING_PATTERNS.get(node.func.attr)
            if places is None:
                continue
            given = node.args[places]
            given += [word.value for word in node.keywords if word.arg in KEYWORDS]
            if not given and node.func.attr == ALL_WITHOUT_ARGUMENT:
                continue
            if not given or not all(map(says_what_it_is, given)):
                yield f"{module}:{node.lineno} {ast.unparse(node)}"
    for node in ast.walk(tree):
        is_method = isinstance(node, ast.Attribute) and node.attr in TAKING_PATTERNS
        if is_method and node not in called and (module, node.attr) not in HANDED_ON:  # type: ignore[attr-defined]
            yield f"{module}:{node.lineno} {ast.unparse(node)}"  # type: ignore[attr-defined]


def says_what_it_is(argument: ast.expr) -> bool:
    if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Call):
        function, *_ = argument.value.args
        return ast.unparse(argument.value.func) == "map" and ast.unparse(function) in SAYING
    return isinstance(argument, ast.Call) and ast.unparse(argument.func) in SAYING


@pytest.mark.clause("X-29")
def test_the_library_says_what_is_a_name_and_what_a_pattern() -> None:
    wrong = [
        found
        for module, path in PATHS.items()
        if layer_of(module) != "testing" and any(name in text_of(path) for name in TAKING_PATTERNS)
        for found in silent_arguments(module, tree_of(path))
    ]

    assert wrong == []


@pytest.mark.clause("X-29")
@pytest.mark.parametrize(
    ("source", "is_silent"),
    [
        ("storage.delete_all(name, parent)", True),
        ("storage.delete_all(name, 'a*')", True),
        ("storage.delete_all(name)", True),
        ("storage.delete_all(**arguments)", True),
        ("storage.delete_all(parent_id=parent, collection_id=name)", True),
        ("storage.delete_all(name, Exact(parent))", False),
        ("storage.purge_deleted(name, parent_id=Pattern('a*'))", False),
        ("storage.purge_deleted(name, Pattern.of(parent, ''))", False),
        ("partial(storage.purge_deleted, name)", True),
        ("permission.delete_object_permissions(Exact(uri), other)", True),
        ("permission.delete_object_permissions(*uris)", True),
        ("permission.delete_object_permissions(*map(Exact, uris))", False),
        ("permission.principals_accessible_objects(principals, 'read', uri)", True),
        (
            "permission.principals_accessible_objects(principals, 'read', Pattern.of(uri, ''))",
            False,
        ),
        ("storage.list_all(name, parent)", False),
    ],
)
def test_arguments_that_do_not_say_what_they_are_are_found(source: str, is_silent: bool) -> None:
    assert bool(list(silent_arguments("cliquet.x", ast.parse(source)))) is is_silent


IMPORT_AND_REPORT = """
import json, logging, os, pkgutil, sys, threading, warnings

package = sys.argv[1]
reads = []

class Recording(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        # `get` and `in` come through the standard library.
        while frame.f_globals.get("__name__") in ("os", "_collections_abc", "collections.abc"):
            frame = frame.f_back
        if frame.f_globals.get("__name__", "").split(".")[0] == "cliquet":
            reads.append(str(name))
        return super().__getitem__(name)

os.environ.__class__ = Recording

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import cliquet
    imported = sorted(sys.modules)
    if package == "every module":
        for module in pkgutil.walk_packages(cliquet.__path__, "cliquet."):
            if not module.name.startswith(("cliquet.testing", "cliquet.tests")):
                __import__(module.name)

import structlog
folder = os.path.dirname(cliquet.__file__)
print(json.dumps({
    "environment": reads,
    "warnings": [str(w.message) for w in caught if w.filename.startswith(folder)],
    "handlers": [str(h) for n in (None, "cliquet") for h in logging.getLogger(n).handlers],
    "levels": [logging.getLogger("cliquet").level, logging.getLogger().level],
    "structlog": structlog.is_configured(),
    "threads": threading.active_count(),
    "imported": imported,
}))
"""


def import_and_report(what: str) -> dict[str, object]:
    run = run_program(
        [sys.executable, "-c", IMPORT_AND_REPORT, what],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    report: dict[str, object] = json.loads(run.stdout)
    return report


@pytest.mark.parametrize("what", ["the package", "every module"])
@pytest.mark.usefixtures("processes")
def test_import_has_no_effect(what: str) -> None:
    report = import_and_report(what)

    del report["imported"]
    assert report == {
        "environment": [],
        "warnings": [],
        "handlers": [],
        "levels": [0, 30],
        "structlog": False,
        "threads": 1,
    }


@pytest.mark.usefixtures("processes")
def test_backends_and_what_they_build_on_bring_no_web_framework() -> None:
    modules = [module for module in PATHS if layer_of(module) in WITHOUT_A_WEB_FRAMEWORK]
    imports = "".join(f"import {module}\n" for module in modules)
    report = "import sys\nprint(*{name.split('.')[0] for name in sys.modules})"

    run = run_program(
        [sys.executable, "-c", imports + report],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    assert set(run.stdout.split()) & WEB_FRAMEWORKS == set()


# Whatever is imported by its name when it is first needed, and why the imports do not say so.
IMPORTED_BY_NAME = {
    "cliquet": "the names of the package are imported when they are first used",
    "cliquet.authentication": "the policies that few services have",
    "cliquet.core.lazy": "modules that few requests or settings need; the layers hold for them",
    "cliquet.core.quiet_pkg_resources": "what Pyramid imports, if it is there",
    "cliquet.resource": "the schemas that are none of colander",
    "cliquet.scripts.entry": "the program, whose loading may be interrupted",
    "cliquet.scripts.shell": "IPython, if it is installed, and what Windows lacks",
    "cliquet.utils": "names that are published here but live in higher layers",
    "cliquet.statsd": "a package of the extra `statsd`",
    "cliquet.initialization": "those of `newrelic` and `profiler`, which tests replace",
    "cliquet.initialization.scanning": "the views, of which a service may leave out some",
    "cliquet.monitoring.crashes": "packages of the extra `sentry`",
    "cliquet.monitoring.prometheus": "a package of the extra `prometheus`",
    "cliquet.monitoring.tracing": "a package of the extra `opentelemetry`",
}


def hidden_imports(tree: ast.Module) -> list[str]:
    """Return what imports modules without an import statement: by name, or when asked for."""
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
    ]
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [*calls, *(name for name in functions if name == "__getattr__")]


def test_imports_by_name_have_a_reason() -> None:
    found = {
        module
        for module, path in PATHS.items()
        if any(name in text_of(path) for name in ("import_module", "__import__", "__getattr__"))
        and hidden_imports(tree_of(path))
    }

    assert found == set(IMPORTED_BY_NAME)


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module('cliquet.errors')",
        "from importlib import import_module\ndef f():\n    return import_module('x').y",
        "x = __import__('cliquet.errors')",
        "def __getattr__(name):\n    return None",
    ],
)
def test_hidden_imports_are_found(source: str) -> None:
    assert len(hidden_imports(ast.parse(source))) == 1


@pytest.mark.usefixtures("processes")
def test_import_of_the_package_brings_no_framework() -> None:
    imported = import_and_report("the package")["imported"]

    assert isinstance(imported, list)
    assert {"pyramid", "cornice", "structlog", "transaction"} & set(imported) == set()


def test_tests_are_in_folders() -> None:
    """The folders have the names of those of the package; helpers are in ``tests/support``."""
    assert {path.name for path in (ROOT / "tests").glob("*.py")} == {"conftest.py", "testapp.py"}


def test_no_module_of_tests_imports_from_another() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "tests").rglob("*.py")
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if re.match(r"\s*(from|import) (test_|conftest\b)", line)
    ]

    assert found == []


# Of these, applications and plug-ins know the methods; elsewhere one value travels.
WITH_PUBLISHED_SIGNATURES = {
    "cliquet.storage.base",
    "cliquet.storage.published",
    "cliquet.storage.listing.memory_based",
}


def test_long_signatures_of_storages_stand_on_published_methods_alone() -> None:
    found = {
        module
        for module, path in PATHS.items()
        if module.startswith("cliquet.storage.") and "modified_field" in text_of(path)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef)
        and {"id_field", "modified_field"} <= {one.arg for one in node.args.args}
    }

    assert found == WITH_PUBLISHED_SIGNATURES
