"""No test waits for ever, and neither does what the tests are made of.

A wait without a bound once cost a whole run of all tests: nobody saw which of them it was.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sources import text_of, tree_of

ROOT = Path(__file__).parents[2]

# What takes the place of these is in this module, and in that of the processes.
BOUNDED = {"cliquet/testing/bounded.py", "tests/servers/starting.py"}
REPLACED = {
    "threading.Thread": "Thread of cliquet.testing.bounded",
    "threading.Timer": "Timer of cliquet.testing.bounded",
    "ThreadPoolExecutor": "Threads of cliquet.testing.bounded",
    "ProcessPoolExecutor": "start_process of servers.starting",
    "subprocess.Popen": "start_process of servers.starting",
}
# How many arguments by position include the bound; those without number take it by name only.
NEED_A_TIMEOUT = {
    "threading.Barrier": None,
    "Barrier": None,
    "subprocess.run": None,
    "communicate": None,
    "urlopen": 3,
    "create_connection": 2,
    "HTTPConnection": 3,
    "HTTPSConnection": None,
    "as_completed": 2,
}
NAMES = {name.rpartition(".")[2] for name in (*REPLACED, *NEED_A_TIMEOUT)} | {"wait", "get"}
SUSPECT = re.compile(
    r"threading\.(Thread|Timer)|PoolExecutor|Barrier\(|Popen|subprocess\.run|communicate\(|wait\(\)"
    r"|urlopen\(|create_connection\(|HTTPS?Connection\(|as_completed\(|Queue\(|while .*is_set\("
    r"|while .*:\n(.+\n)*.*sleep\("
)
TELLING_A_BOUND = ("deadline", "monotonic", "until", "ends")


def endless(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the lines of waits without a bound, and what is wrong with them."""
    nodes = list(ast.walk(tree))
    awaited = {node.value for node in nodes if isinstance(node, ast.Await)}
    barriers = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and "Barrier(" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    queues = {
        ast.unparse(target)
        for node in nodes
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
        if "Queue(" in ast.unparse(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    for node in nodes:
        if isinstance(node, ast.Call) and node not in awaited:
            wrong = wrong_call(node, barriers, queues)
        elif isinstance(node, ast.While):
            wrong = wrong_loop(node)
        else:
            continue
        if wrong:
            yield node.lineno, wrong


def wrong_call(call: ast.Call, barriers: set[str], queues: set[str]) -> str:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name not in NAMES:
        return ""
    function = ast.unparse(call.func)
    for replaced, by in REPLACED.items():
        if replaced in (function, name):
            return f"{function}: use {by}"
    is_bounded = any(word.arg in ("timeout", None) for word in call.keywords)
    for needing in {function, name} & NEED_A_TIMEOUT.keys():
        number = NEED_A_TIMEOUT[needing]
        if not is_bounded and (number is None or len(call.args) < number):
            return f"{function} without timeout"
    receiver = function.rpartition(".")[0]
    waits = (name == "wait" and receiver not in barriers) or (name == "get" and receiver in queues)
    if waits and not call.args and not is_bounded:
        return f"{function}() without timeout"
    return ""


def wrong_loop(loop: ast.While) -> str:
    """Return what is wrong with a loop that waits for something: nothing in it tells the time."""
    text = ast.unparse(loop)
    condition = ast.unparse(loop.test)
    waits = "sleep(" in text or (condition.startswith("not ") and ".is_set()" in condition)
    return "" if not waits or any(word in text for word in TELLING_A_BOUND) else "loop without end"


def test_no_test_waits_without_a_bound() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {wrong}"
        for folder in ("tests", "cliquet/testing")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.relative_to(ROOT).as_posix() not in BOUNDED
        # To parse all of them takes many seconds.
        and SUSPECT.search(text_of(path))
        for number, wrong in endless(tree_of(path))
    ]

    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "threading.Thread(target=run)",
        "with ThreadPoolExecutor(2) as pool: pass",
        "threading.Barrier(2)",
        "subprocess.run(['true'])",
        "process.communicate()",
        "process.wait()",
        "event.wait()",
        "urllib.request.urlopen(url)",
        "socket.create_connection(end)",
        "http.client.HTTPConnection('localhost', 80)",
        "answers = queue.Queue()\nanswers.get()",
        "while not done.is_set(): read()",
        "while is_down():\n    time.sleep(1)",
    ],
)
def test_waits_without_a_bound_are_found(source: str) -> None:
    assert len(list(endless(ast.parse(source)))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "Thread(target=run).join()",
        "meeting = threading.Barrier(2, timeout=10)\nmeeting.wait()",
        "process.communicate(timeout=60)",
        "event.wait(10)",
        "socket.create_connection(end, 5)",
        "{}.get('name')",
        "async def live(): await event.wait()",
        "while is_down():\n    assert time.monotonic() < deadline",
    ],
)
def test_waits_with_a_bound_are_let_through(source: str) -> None:
    assert list(endless(ast.parse(source))) == []
