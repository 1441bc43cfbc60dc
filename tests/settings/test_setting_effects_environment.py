"""The environment reaches every setting, and wins over files and defaults (S-1.3, S-1.4)."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.config import Configurator
from testapp import Mushroom
from webtest import TestApp

import cliquet
from cliquet import settings
from cliquet.settings import SETTINGS, Setting
from cliquet.settings.parsers import Boolean, Date, Integer, Number, Text
from cliquet.storage.generators import UUID4
from cliquet.testing.web import MEMORY_BACKENDS, add_resource, basic_auth


class Ids(UUID4):
    """Another class of the same ids."""


# Text for the environment, and what the application then has. Of booleans, the other one.
BY_TYPE: dict[type, tuple[str, Any]] = {
    Date: ("2999-01-02", "2999-01-02"),
    Integer: ("7", 7),
    Number: ("2.5", 2.5),
    Text: ("changed", "changed"),
}
# What can be imported, and what starts nothing in this process.
BY_NAME: dict[str, tuple[str, Any]] = {
    "permissions_visible_to": ("write", "write"),
    "allowed_hosts": ("a.example b.example",) * 2,
    **{f"{kind}_backend": (f"cliquet.{kind}.memory",) * 2 for kind in ("storage", "permission")},
    "cache_backend": ("cliquet.cache.memory",) * 2,
    "cache_hosts": ("a b",) * 2,
    "cors_origins": ("http://a.example",) * 2,
    "event_listeners": ("cliquet.listeners.redis",) * 2,
    "id_generator": (f"{__name__}.Ids",) * 2,
    "includes": ("cliquet.web.service",) * 2,
    "initialization_sequence": ("cliquet.initialization.setup_backoff",) * 2,
    "logging_renderer": ("cliquet.logs.MozillaHekaRenderer",) * 2,
    "multiauth.authorization_policy": ("pyramid.authorization.ACLAuthorizationPolicy",) * 2,
    "multiauth.groupfinder": ("builtins.dict",) * 2,
    "multiauth.policies": ("", ""),
    "multiauth.policy.basicauth.use": ("pyramid.authentication.RemoteUserAuthenticationPolicy",)
    * 2,
    "sentry_dsn": ("off", False),
    "statsd_url": ("off", False),
}
ROWS = [row for row in SETTINGS.values() if row.in_defaults]


def changed(row: Setting) -> tuple[str, Any]:
    if isinstance(row.parse, Boolean):
        return str(not row.default).lower(), not row.default
    return BY_NAME.get(row.name) or BY_TYPE[type(row.parse)]


def variable_of(row: Setting) -> str:
    return f"CLIQUET_{row.name.upper().replace('.', '_')}"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the variables of the machine have no say."""
    for row in ROWS:
        for variable in settings.environment_names(row.name, "testapp"):
            monkeypatch.delenv(variable, raising=False)


@pytest.mark.clause("S-1.4", "S-1.5", "S-4")
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_environment_reaches_every_setting(
    row: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = changed(row)
    monkeypatch.setenv(variable_of(row), text)
    # Groups are records, which need a place.
    config = Configurator(settings=MEMORY_BACKENDS if row.name == "groups_enabled" else {})

    cliquet.initialize(config, version="0.0.1", project_name="testapp")

    assert value != row.default
    assert config.registry.settings[row.name] == value
    assert config.registry.settings_sources[row.name] == f"environment {variable_of(row)}"


def page_size(given: dict[str, str], defaults: dict[str, int]) -> int:
    """Return how many records of three a client gets who asks for all."""
    config = Configurator(settings={**MEMORY_BACKENDS, **given})
    cliquet.initialize(config, version="0.0.1", project_name="testapp", default_settings=defaults)
    add_resource(config, Mushroom)
    app = TestApp(config.make_wsgi_app())
    for _ in range(4):
        body = {"data": {"name": "cep"}}
        app.post_json("/v0/mushrooms", body, headers=basic_auth(), status=201)
    return len(app.get("/v0/mushrooms", headers=basic_auth()).json["data"])


@pytest.mark.clause("S-1.3", "P-2.11")
def test_clients_see_the_environment_before_the_file_before_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, defaults = {"cliquet.paginate_by": "2"}, {"paginate_by": 3}
    sizes = [page_size({}, {}), page_size({}, defaults), page_size(file, defaults)]
    monkeypatch.setenv("CLIQUET_PAGINATE_BY", "1")
    sizes.append(page_size(file, defaults))

    assert sizes == [4, 3, 2, 1]


@pytest.mark.clause("S-1.5")
@pytest.mark.parametrize("name", ["vary", "http_api_version"])
def test_the_environment_needs_an_entry_of_a_setting_without_default(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"CLIQUET_{name.upper()}"
    monkeypatch.setenv(variable, "7")
    sources = []
    for given in ({}, {f"cliquet.{name}": "3"}):
        config = Configurator(settings=given)
        cliquet.initialize(config, version="0.0.1", project_name="testapp")
        sources.append(config.registry.settings_sources.get(name))

    assert sources == [None, f"environment {variable}"]
