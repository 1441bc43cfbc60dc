"""Configuration of Sphinx. Nothing here needs the network: there are no inventories of others."""

import sys
from importlib.metadata import version as distribution_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE / "example")]

project = "cliquet"
author = "The cliquet authors"
copyright = author
version = release = distribution_version("cliquet")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "cliquet_tables",
    "contract_links",
    "house_docstrings",
    "entry_examples",
    "settings_entries",
]
exclude_patterns = ["_build", "examples/*/.venv"]
html_theme = "furo"
html_title = f"cliquet {release}"
html_static_path = ["_static"]
html_css_files = ["cliquet.css"]
html_js_files = [("accessible.js", {"defer": "defer"})]

# Single backquotes in docstrings name parameters and values.
default_role = "literal"

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# The extras of the tests are not installed to build the documentation.
autodoc_mock_imports = ["hypothesis", "pytest", "webtest"]

# Only what is marked as `doctest` runs.
doctest_test_doctest_blocks = ""

# Of `make docs-links`: addresses of examples, and of a service that runs.
linkcheck_ignore = [r"https?://localhost", r"https?://[a-z.]*example\.com", r"https?://(old|new)/"]
linkcheck_timeout = 20
linkcheck_retries = 2

# Names that `-n` cannot resolve, one by one.
nitpick_ignore = [
    # The standard library and the frameworks: no inventory of theirs is at hand.
    ("py:class", "collections.abc.Callable"),
    ("py:class", "collections.abc.Collection"),
    ("py:class", "collections.abc.Iterable"),
    ("py:class", "collections.abc.Iterator"),
    ("py:class", "collections.abc.Mapping"),
    ("py:class", "collections.abc.MutableMapping"),
    ("py:class", "collections.abc.Sequence"),
    ("py:class", "contextvars.Token"),
    ("py:class", "_contextvars.Token"),  # its name on Python 3.10
    ("py:class", "enum.Enum"),
    ("py:class", "logging.Formatter"),
    ("py:class", "logging.LogRecord"),
    ("py:class", "httpx.Client"),
    ("py:class", "os.PathLike"),
    ("py:class", "threading.Event"),
    ("py:class", "colander.Integer"),
    ("py:class", "colander.Mapping"),
    ("py:class", "colander.MappingSchema"),
    ("py:class", "colander.Schema"),
    ("py:class", "colander.SchemaNode"),
    ("py:class", "colander.String"),
    ("py:class", "cornice.service.Service"),
    ("py:class", "pyramid.authentication.BasicAuthAuthenticationPolicy"),
    ("py:class", "pyramid.config.Configurator"),
    ("py:class", "pyramid.events.NewResponse"),
    ("py:class", "pyramid.httpexceptions.HTTPException"),
    ("py:class", "pyramid.request.Request"),
    ("py:class", "pyramid.response.Response"),
    ("py:class", "pyramid_multiauth.MultiAuthPolicySelected"),
    # Parts of a backend, in a module of their own.
    ("py:class", "cliquet.storage.memory.copying_entries.MemoryTransfer"),
    ("py:class", "cliquet.permission.selecting.PermissionSelecting"),
    ("py:class", "cliquet.security.shared_listing.SharedListing"),
    ("py:class", "cliquet.security.undecided_put.UndecidedPut"),
    ("py:class", "cliquet.storage.atomicity.StorageAtomicity"),
    ("py:class", "cliquet.storage.changes.Wanted"),
    ("py:class", "cliquet.storage.atomicity.Replaced"),
    ("py:class", "cliquet.storage.atomicity.Seen"),
    ("py:class", "cliquet.storage.selection.CollectionKey"),
    ("py:class", "cliquet.storage.published.PublishedStorage"),
    ("py:class", "cliquet.storage.selecting.StorageSelecting"),
    ("py:class", "cliquet.storage.upkeep.StorageUpkeep"),
    ("py:class", "pyramid_multiauth.MultiAuthSecurityPolicy"),
    ("py:class", "redis.client.Redis"),
    ("py:class", "webtest.TestApp"),
    # Type variables have no documentation of their own.
    ("py:class", "cliquet.errors.HTTPError"),
    ("py:class", "cliquet.resource.registration.ResourceClass"),
    # Private bases: what they give is documented with the classes that inherit it.
    ("py:class", "cliquet.events._ResourceEvent"),
    # Named where they are used, and not published.
    ("py:class", "Renderer"),
    ("py:func", "write_implies_read"),
    # The contract suites are classes of tests; their module says how to run them.
    ("py:class", "UntransactedStorageContract"),
    # The docstring of `Service` names a module that applications do not use.
    ("py:mod", "cliquet.web.cors"),
    ("py:mod", "cliquet.core.jsonio"),
    # What only the library itself gives to the function that tells of a list.
    ("py:class", "cliquet.events.Unread"),
]
# `T`, and `U` beside it, the type variables of every module that has a generic function.
nitpick_ignore_regex = [
    ("py:class", r"cliquet\.[a-z_.]+\.[TU]"),
    ("py:class", "P"),  # a ParamSpec
    # The parts of the suites, and what tests of applications use.
    ("py:class", r"cliquet\.testing\.[a-z_.]+\.[A-Za-z]+(Tests|Contract)"),
    ("py:class", r"(webtest|unittest|pyramid\.httpexceptions)\.[A-Za-z.]+"),
    ("py:class", r"collections\.abc\.Callable\[.*"),
    # What the backends are made of inside.
    ("py:class", r"cliquet\.connections\.[a-z_.]+\.[A-Za-z]+"),
    ("py:class", r"cliquet\.[a-z]+\.relational\.[a-z_]+\.[A-Za-z]+"),
    ("py:class", r"cliquet\.storage\.several\.[A-Za-z]+"),
]
