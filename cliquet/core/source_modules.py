"""Which module a source file belongs to, told to :mod:`inspect` before it looks for the answer.

Venusian asks for the line of each decorator. To find the module of a line, `inspect` looks at the
files of all modules of the process, which takes longer than the start of a small service.
"""

from __future__ import annotations

import inspect
import sys
from types import FrameType

__all__ = ["tell_module_of"]


def tell_module_of(frame: FrameType) -> None:
    """Tell `inspect` the module of running code, if the module says that the file is its own."""
    name, file = frame.f_globals.get("__name__"), frame.f_code.co_filename
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is not None and getattr(module, "__file__", None) == file:
        inspect.modulesbyfile.setdefault(file, name)
