"""The environment has the settings of resources, without an entry in the file (S-1.5, S-1.13)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from support.logged import capture_logs
from testapp import Mushroom
from webtest import TestApp

import cliquet
from cliquet import resource, settings
from cliquet.settings.of_resources import FAMILIES_OF_RESOURCES
from cliquet.settings.unknown import find_unknown_resources
from cliquet.testing.web import MEMORY_BACKENDS, add_resource, basic_auth, make_app

EXAMPLES = {
    "{endpoint_type}_{resource_name}_{method}_enabled": ("RECORD_{}_PUT_ENABLED", "false", False),
    "{resource_name}_cache_expires_seconds": ("{}_CACHE_EXPIRES_SECONDS", "7", 7),
    "{resource_name}_total_records": ("{}_TOTAL_RECORDS", "head", "head"),
    "{resource_name}_strict_filters": ("{}_STRICT_FILTERS", "true", True),
    "{resource_name}_sync_enabled": ("{}_SYNC_ENABLED", "true", True),
    "{resource_name}_sync_departures": ("{}_SYNC_DEPARTURES", "true", True),
    "{resource_name}_shards": ("{}_SHARDS", "4", 4),
    "{resource_name}_{permission}_principals": (
        "{}_CREATE_PRINCIPALS",
        "system.Authenticated",
        "system.Authenticated",
    ),
}


class Toadstool(resource.ShareableResource):
    """A resource whose records nobody may create, unless a setting says so."""

    mapping = resource.ResourceSchema()


@pytest.mark.clause("S-1.5", "S-1.13")
@pytest.mark.parametrize("name", ["toadstool", "red_toadstool", "red-toadstool", "RedToadstool"])
@pytest.mark.parametrize("row", FAMILIES_OF_RESOURCES, ids=lambda row: row.name)
@pytest.mark.parametrize("prefix", ["CLIQUET", "TESTAPP"])
def test_the_environment_has_each_setting_of_a_resource(
    row: settings.Setting, name: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern, text, value = EXAMPLES[row.name]
    variable = f"{prefix}_{pattern.format(name.upper().replace('-', '_'))}"
    monkeypatch.setenv(variable, text)

    client = make_app([(Toadstool, {"name": name})])

    bare = pattern.lower().format(name)
    registry = client.app.registry
    assert settings.find(bare) is row
    assert registry.settings[bare] == value
    assert registry.settings_sources[bare] == f"environment {variable}"
    assert find_unknown_resources(registry.settings_resolution, registry.resource_names) == []


@pytest.mark.clause("S-1.5", "S-1.13", "H-2.1")
@pytest.mark.parametrize("name", ["toadstool", "red-toadstool"])
def test_clients_see_the_settings_of_a_resource_from_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spelled = name.upper().replace("-", "_")
    path = f"/v0/{name}s"
    closed = make_app([(Toadstool, {"name": name})])
    closed.post_json(path, {"data": {}}, headers=basic_auth(), status=403)
    in_file = {f"{name}_create_principals": "system.Authenticated"}
    plain = make_app([(Toadstool, {"name": name})], settings=in_file)
    plain.post_json(path, {"data": {}}, headers=basic_auth(), status=201)
    monkeypatch.setenv(f"CLIQUET_{spelled}_CREATE_PRINCIPALS", "system.Authenticated")
    monkeypatch.setenv(f"CLIQUET_{spelled}_STRICT_FILTERS", "true")
    monkeypatch.setenv(f"CLIQUET_{spelled}_TOTAL_RECORDS", "head")
    monkeypatch.setenv(f"CLIQUET_COLLECTION_{spelled}_DELETE_ENABLED", "false")

    client = make_app([(Toadstool, {"name": name})])

    client.post_json(path, {"data": {}}, headers=basic_auth(), status=201)
    listed = client.get(path, headers=basic_auth(), status=200)
    client.get(f"{path}?colour=red", headers=basic_auth(), status=400)
    client.delete(path, headers=basic_auth(), status=405)
    assert "Total-Records" in plain.get(path, headers=basic_auth()).headers
    assert "Total-Records" not in listed.headers


@pytest.mark.clause("S-1.3")
def test_the_environment_wins_over_the_file_and_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "mushroom_cache_expires_seconds"

    def expires(given: dict[str, Any], defaults: dict[str, Any]) -> Any:
        config = Configurator(settings={**MEMORY_BACKENDS, **given})
        cliquet.initialize(config, "0.0.1", "testapp", default_settings=defaults)
        add_resource(config, Mushroom)
        # A plug-in that comes later has defaults too.
        cliquet.load_default_settings(config, {name: 4})
        app = TestApp(config.make_wsgi_app())
        return app.get("/v0/mushrooms", headers=basic_auth()).headers["Cache-Control"], (
            config.registry.settings[name]
        )

    found = [expires({}, {}), expires({}, {name: 3}), expires({f"testapp.{name}": "2"}, {name: 3})]
    monkeypatch.setenv("TESTAPP_MUSHROOM_CACHE_EXPIRES_SECONDS", "5")
    found.append(expires({f"testapp.{name}": "2"}, {name: 3}))
    monkeypatch.setenv("CLIQUET_MUSHROOM_CACHE_EXPIRES_SECONDS", "1")
    found += [expires({f"testapp.{name}": "2"}, {name: 3}), expires({}, {})]

    assert [seconds for _, seconds in found] == [4, 3, 2, 5, 1, 1]


@pytest.mark.clause("S-1.13")
def test_what_the_file_says_of_a_name_with_capitals_gives_way_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIQUET_REDTOADSTOOL_CREATE_PRINCIPALS", "system.Everyone")
    given = {"RedToadstool_create_principals": "system.Authenticated"}

    client = make_app([(Toadstool, {"name": "RedToadstool"})], settings=given)

    configured = client.app.registry.settings
    assert configured["RedToadstool_create_principals"] == "system.Everyone"
    assert "redtoadstool_create_principals" not in configured


@pytest.mark.clause("S-1.13")
def test_a_resource_of_a_plug_in_has_its_settings_while_it_is_included(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIQUET_RED_TOADSTOOL_CREATE_PRINCIPALS", "system.Authenticated")
    seen = []

    def plug_in(config: Configurator) -> None:
        seen.append(config.get_settings().get("red_toadstool_create_principals"))
        add_resource(config, Toadstool, name="red-toadstool")
        seen.append(config.get_settings().get("red-toadstool_create_principals"))

    make_app(configure=lambda config: config.include(plug_in))

    assert seen == ["system.Authenticated"] * 2


@pytest.mark.clause("S-1.5", "S-2.1")
@pytest.mark.parametrize("prefix", ["CLIQUET", "TESTAPP"])
def test_a_wrong_value_in_the_environment_stops_the_start(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{prefix}_TOADSTOOL_TOTAL_RECORDS", "some")

    with pytest.raises(settings.SettingError, match="'toadstool_total_records' is 'some'"):
        make_app([Toadstool])


@pytest.mark.clause("S-1.5")
@pytest.mark.parametrize(
    "variable",
    [
        "TOADSTOOL_CREATE_PRINCIPALS",
        "cliquet_toadstool_create_principals",
        "OTHER_TOADSTOOL_CREATE_PRINCIPALS",
        "CLIQUET_TOADSTOOL_CREATE_PRINCIPAL",
    ],
)
def test_variables_of_other_programs_are_left_alone(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "system.Everyone")

    client = make_app([Toadstool])

    assert not any("principal" in name for name in client.app.registry.settings)


@pytest.mark.clause("E-8.11", "E-8.12")
def test_a_variable_of_a_resource_that_does_not_exist_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIQUET_LICHEN_CREATE_PRINCIPALS", "system.Everyone")
    with capture_logs() as entries:
        make_app([Toadstool])
    told = [entry for entry in entries if entry.get("event") == "Some settings are unknown."]
    monkeypatch.setenv("CLIQUET_TOADSTOL_CREATE_PRINCIPALS", "system.Everyone")

    with pytest.raises(ConfigurationError, match=r"CLIQUET_TOADSTOL_CREATE_PRINCIPALS.*toadstool"):
        make_app([Toadstool])

    assert [entry["settings"] for entry in told] == [
        ["CLIQUET_LICHEN_CREATE_PRINCIPALS is a setting of the unknown resource 'lichen'"]
    ]


def test_a_registry_whose_settings_the_library_did_not_load_is_left_alone() -> None:
    registry = SimpleNamespace(settings={})

    settings.load_settings_of_resource(registry, "red-toadstool")

    assert registry.settings == {}
