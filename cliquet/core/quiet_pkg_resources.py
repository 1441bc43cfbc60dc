"""The import of ``pkg_resources``, without the warning that it prints in each process.

Pyramid 2.1 and Cornice 6.1 import this module of setuptools, which warns since setuptools 80.9 that
it will go. Nobody who runs a service can do anything about it, and where warnings are errors the
import fails. A filter that stays is no way out: it would hide the warnings of other packages too,
and pytest would forget it. When Pyramid and Cornice need ``pkg_resources`` no more, this module
goes, and so does the upper bound of setuptools in ``pyproject.toml``.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings

__all__: list[str] = []

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    # It looks at all that is installed, and finds the old namespace of PasteDeploy.
    warnings.filterwarnings("ignore", "Deprecated call to `pkg_resources.declare_namespace")
    # A Pyramid that does not need it may come with a setuptools that does not have it.
    with contextlib.suppress(ImportError):
        importlib.import_module("pkg_resources")
