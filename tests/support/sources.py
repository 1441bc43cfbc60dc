"""The modules of the repository as syntax trees, for the tests that judge code.

Each file is parsed once in a process of tests, whatever number of tests look at it: to parse the
package takes a second.
"""

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def text_of(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text("utf-8")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a module, which nobody may change."""
    return ast.parse(text_of(path))
