"""Precedence, spellings, conversion and repeated loading of settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cliquet import settings
from cliquet.settings import DEFAULT_SETTINGS, load_default_settings, read


class Config:
    """A configurator as far as settings are concerned."""

    def __init__(self, given: dict[str, Any], project_name: Any = "kinto") -> None:
        self.settings = {"project_name": project_name, **given}
        self.registry = SimpleNamespace()

    def get_settings(self) -> dict[str, Any]:
        return self.settings


class BareConfig:
    """An object with ``get_settings()`` and nothing else (P-2.9)."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.settings = {"project_name": "kinto", **given}

    def get_settings(self) -> dict[str, Any]:
        return self.settings


def load(
    given: dict[str, Any], defaults: dict[str, Any] | None = None, **kw: Any
) -> dict[str, Any]:
    config = Config(given, **kw)
    load_default_settings(config, DEFAULT_SETTINGS if defaults is None else defaults)
    return config.settings


@pytest.mark.clause("S-1.1", "S-1.2")
@pytest.mark.parametrize("spelling", ["paginate_by", "cliquet.paginate_by", "kinto.paginate_by"])
def test_each_spelling_sets_the_bare_name(spelling: str) -> None:
    assert load({spelling: "7"})["paginate_by"] == 7


@pytest.mark.clause("S-1.2")
def test_only_the_first_component_is_a_prefix() -> None:
    loaded = load({"kinto.event_listeners.redis.url": "redis://x", "fxa-oauth.cliquet.x": "a"})

    assert loaded["event_listeners.redis.url"] == "redis://x"
    assert loaded["fxa-oauth.cliquet.x"] == "a"
    assert "x" not in loaded


@pytest.mark.clause("P-2.10")
@pytest.mark.parametrize("project_name", ["kinto", "multiauth"])
def test_dotted_names_of_plugins_are_kept(project_name: str) -> None:
    loaded = load({}, {"multiauth.policies": "basicauth"}, project_name=project_name)

    assert loaded["multiauth.policies"] == "basicauth"
    assert "policies" not in loaded


@pytest.mark.clause("S-1.3", "P-2.11")
def test_environment_wins_over_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIQUET_A", "environment")

    loaded = load({"a": "file", "b": "file"}, {"a": "default", "b": "default", "c": "default"})

    assert (loaded["a"], loaded["b"], loaded["c"]) == ("environment", "file", "default")


@pytest.mark.clause("S-1.4")
def test_environment_names_of_a_setting() -> None:
    assert settings.environment_names("storage_backend", "kinto") == (
        "CLIQUET_STORAGE_BACKEND",
        "KINTO_STORAGE_BACKEND",
        "STORAGE_BACKEND",
    )
    assert settings.environment_names("multiauth.policies", "my-proj") == (
        "CLIQUET_MULTIAUTH_POLICIES",
        "MY_PROJ_MULTIAUTH_POLICIES",
        "MULTIAUTH_POLICIES",
    )


@pytest.mark.clause("S-1.4")
def test_order_of_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGINATE_BY", "3")
    bare = load({})["paginate_by"]
    monkeypatch.setenv("KINTO_PAGINATE_BY", "2")
    project = load({})["paginate_by"]
    monkeypatch.setenv("CLIQUET_PAGINATE_BY", "1")
    library = load({})["paginate_by"]

    assert (bare, project, library) == (3, 2, 1)


@pytest.mark.clause("S-1.4", "S-1.12")
def test_environment_reaches_the_defaults_of_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIQUET_ELASTICSEARCH_REFRESH_ENABLED", "true")

    loaded = load({}, {"cliquet_elasticsearch.refresh_enabled": False})

    assert loaded["cliquet_elasticsearch.refresh_enabled"] is True


@pytest.mark.clause("S-1.5")
def test_environment_alone_does_not_create_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIQUET_VARY", "Origin")

    without = load({})
    with_entry = load({"vary": "Accept"})

    assert "vary" not in without
    assert with_entry["vary"] == "Origin"


@pytest.mark.clause("S-1.5")
@pytest.mark.parametrize("given", [{}, {"kinto.bucket_create_principals": ""}])
def test_the_environment_creates_a_setting_of_a_resource(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIQUET_BUCKET_CREATE_PRINCIPALS", "system.Everyone")

    assert load(given)["bucket_create_principals"] == "system.Everyone"


@pytest.mark.clause("S-1.6", "S-22")
def test_conflicting_spellings_are_refused() -> None:
    with pytest.raises(ValueError, match="are in conflict") as caught:
        load({"kinto.paginate_by": "1", "cliquet.paginate_by": "2"})

    assert str(caught.value) in (
        "Settings 'kinto.paginate_by', 'cliquet.paginate_by' are in conflict.",
        "Settings 'cliquet.paginate_by', 'kinto.paginate_by' are in conflict.",
    )


@pytest.mark.clause("S-1.6")
def test_words_for_the_same_boolean_are_in_conflict_as_text() -> None:
    with pytest.raises(ValueError, match="are in conflict"):
        load({"readonly": "yes", "cliquet.readonly": "true"})


@pytest.mark.slow
@pytest.mark.clause("S-1.6", "S-1.10")
@pytest.mark.parametrize("value", ["a", 5, ["x", "y"], {"k": []}])
def test_equal_spellings_are_accepted(value: object) -> None:
    assert load({"kinto.thing": value, "cliquet.thing": value})["thing"] == value


@pytest.mark.clause("S-23.2")
@pytest.mark.parametrize(
    "given",
    [
        {"readonly": "true", "cliquet.readonly": "true"},
        {"readonly": True, "cliquet.readonly": "true"},
        {"kinto.readonly": "true", "cliquet.readonly": "true", "readonly": "true"},
    ],
)
def test_equal_spellings_never_conflict_once_converted(given: dict[str, Any]) -> None:
    assert load(given)["readonly"] is True


@pytest.mark.clause("S-23.2")
def test_equal_decimals_never_conflict() -> None:
    assert load({"kinto.x": "3.10", "cliquet.x": "3.10"})["x"] == 3.1


@pytest.mark.clause("S-1.7")
def test_spellings_of_the_deployer_stay_and_defaults_create_bare_names() -> None:
    loaded = load({"cliquet.paginate_by": "7"})

    assert "cliquet.paginate_by" in loaded
    assert "cliquet.backoff" not in loaded
    assert "backoff" in loaded


@pytest.mark.clause("S-1.8")
def test_without_project_name_the_bare_and_library_spellings_work() -> None:
    loaded = load({"cliquet.paginate_by": "7", "backoff": "3"}, project_name="")

    assert (loaded["paginate_by"], loaded["backoff"]) == (7, 3)
    assert settings.environment_names("backoff", "") == ("CLIQUET_BACKOFF", "BACKOFF")


@pytest.mark.clause("S-1.9", "S-23.4")
def test_project_name_of_the_environment_is_for_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_NAME", "other")
    config = Config({"kinto.paginate_by": "7", "other.backoff": "3"})

    load_default_settings(config, DEFAULT_SETTINGS)
    load_default_settings(config, {"kinto.plugin": "1"})

    assert config.settings["project_name"] == "other"
    assert config.settings["paginate_by"] == 7
    assert config.settings["backoff"] is None
    assert config.settings["plugin"] == 1


@pytest.mark.clause("S-1.11")
def test_settings_of_other_packages_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TM_ATTEMPTS", "4")

    loaded = load({"pyramid.debug_all": "true", "tm.attempts": "3", "here": "/srv"})

    assert loaded["pyramid.debug_all"] is True
    assert loaded["tm.attempts"] == 4
    assert loaded["here"] == "/srv"


@pytest.mark.clause("S-1.12", "S-23.3")
@pytest.mark.parametrize("config_type", [Config, BareConfig])
def test_loading_again_does_not_fail(
    config_type: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIQUET_BACKOFF", "9")
    config = config_type(
        {"cliquet.readonly": "true", "cliquet.backoff": "3", "kinto.ratio": "3.10", "q": "'x'"}
    )

    load_default_settings(config, DEFAULT_SETTINGS)
    load_default_settings(config, {"plugin.size": "3"})
    load_default_settings(config, {})

    loaded = config.get_settings()
    assert loaded["readonly"] is True
    assert loaded["backoff"] == 9
    assert loaded["ratio"] == 3.1
    assert loaded["plugin.size"] == 3


@pytest.mark.clause("S-1.12", "S-23.3")
def test_loading_again_keeps_what_the_application_changed_meanwhile() -> None:
    config = Config({"cliquet.project_version": "", "kinto.paginate_by": "3"})
    load_default_settings(config, DEFAULT_SETTINGS)
    config.settings["project_version"] = "2.10"
    config.settings["paginate_by"] = "5"

    load_default_settings(config, {})

    assert config.settings["project_version"] == "2.10"
    assert config.settings["paginate_by"] == 5


@pytest.mark.clause("S-1.12", "S-2.2")
def test_loading_again_does_not_convert_twice() -> None:
    config = Config({"label": "'10'"})

    load_default_settings(config, DEFAULT_SETTINGS)
    load_default_settings(config, {})

    assert config.settings["label"] == "10"


@pytest.mark.clause("S-2.1", "S-2.2")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("Off", False),
        ("10", 10),
        ("3.14", 3.14),
        ("0", 0),
        ("1", 1),
        ("None", None),
        ("1,2", (1, 2)),
        ("a,b", "a,b"),
        ("'Too old'", "Too old"),
        ("system.Everyone", "system.Everyone"),
        ("", ""),
    ],
)
def test_text_is_converted(text: str, value: object) -> None:
    loaded = load({"thing": text})["thing"]

    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.clause("S-2.1", "S-1.10")
def test_other_values_are_left_alone() -> None:
    marker, items = object(), ["10"]

    loaded = load({"marker": marker, "items": items})

    assert loaded["marker"] is marker
    assert loaded["items"] == ["10"]


@pytest.mark.clause("S-2.1")
def test_environment_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READONLY", "yes")

    assert load({})["readonly"] is True


@pytest.mark.clause("S-23.1", "P-2.9")
@pytest.mark.parametrize("prefix", ["", "cliquet.", "kinto."])
@pytest.mark.parametrize(
    "bare", ["backoff", "batch_max_requests", "cache_pool_size", "paginate_by"]
)
def test_defaults_may_be_prefixed(prefix: str, bare: str) -> None:
    loaded = load({}, {**DEFAULT_SETTINGS, f"{prefix}{bare}": 9})

    assert loaded[bare] == 9
    assert not prefix or f"{prefix}{bare}" not in loaded


@pytest.mark.clause("S-1.3")
def test_defaults_do_not_replace_any_spelling_of_the_file() -> None:
    loaded = load({"kinto.backoff": "3"}, {"cliquet.backoff": 9})

    assert loaded["backoff"] == 3


@pytest.mark.clause("S-23.5", "D-46", "S-2.5", "S-3.3", "S-3.4")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("project_version", "1.10"),
        ("http_api_version", "1.10"),
        ("userid_hmac_secret", "123456"),
        ("userid_hmac_secret", "1e5"),
        ("userid_hmac_secret", "true"),
        ("eos_message", "42"),
        ("cache_prefix", "0"),
        ("eos", "20150122"),
        ("fxa-oauth.client_id", "12e4"),
        ("fxa-oauth.client_secret", "0123"),
        ("portier.session_secret", "10"),
        ("plugin.schema_version", "1.10"),
        ("article_read_principals", "1,2"),
    ],
)
def test_text_by_nature_is_never_a_number(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = load({name: text})[name]
    monkeypatch.setenv(f"CLIQUET_{name.upper().replace('.', '_').replace('-', '_')}", text)
    from_environment = load({name: ""})[name]

    assert (from_file, from_environment) == (text, text)


@pytest.mark.clause("S-2.2")
def test_text_by_nature_still_loses_its_quotes_and_knows_none() -> None:
    loaded = load({"eos_message": '"Too old"', "eos_url": "None"})

    assert loaded["eos_message"] == "Too old"
    assert loaded["eos_url"] is None


@pytest.mark.clause("S-2.1", "P-2.12")
def test_locations_can_be_switched_off() -> None:
    loaded = load({"newrelic_config": "false", "statsd_url": "off"})

    assert loaded["newrelic_config"] is False
    assert read(loaded, "statsd_url") is None


@pytest.mark.clause("S-23.6")
@pytest.mark.parametrize("text", ["{[]: 1}", "(" * 5000, "[" * 60 + "]" * 60, "2015-10-22", "1-1"])
def test_odd_text_stays_text(text: str) -> None:
    assert load({"thing": text})["thing"] == text


@pytest.mark.clause("S-23.7")
def test_where_each_value_came_from_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_HOST", "example.org")
    config = Config({"kinto.readonly": "true"})

    load_default_settings(config, {**DEFAULT_SETTINGS, "cliquet.backoff": 9})
    load_default_settings(config, {"plugin.size": 3})

    sources = config.registry.settings_sources
    assert sources["http_host"] == "environment HTTP_HOST"
    assert sources["readonly"] == "settings"
    assert sources["backoff"] == "application default"
    assert sources["paginate_by"] == "default"
    assert sources["plugin.size"] == "application default"


@pytest.mark.clause("P-2.9")
def test_settings_without_project_name_are_a_key_error() -> None:
    config = Config({})
    del config.settings["project_name"]

    with pytest.raises(KeyError, match="project_name"):
        load_default_settings(config, DEFAULT_SETTINGS)


@pytest.mark.clause("P-2.7", "D-47", "P-34.29")
def test_defaults_of_the_caller_are_never_modified() -> None:
    defaults: dict[str, Any] = {"kinto.items": ["a"], "backoff": "3"}
    first, second = load({}, defaults), load({}, defaults)

    first["items"].append("b")

    assert defaults == {"kinto.items": ["a"], "backoff": "3"}
    assert second["items"] == ["a"]


@pytest.mark.clause("S-4")
@pytest.mark.usefixtures("own_settings")
def test_defaults_can_be_given_as_settings() -> None:
    given = {**DEFAULT_SETTINGS, "project_name": "kinto", "project_version": "1.0"}

    loaded = load(given)

    assert loaded == given
    settings.validate(loaded)


@pytest.mark.clause("S-3.2")
@pytest.mark.parametrize(
    ("given", "argument", "name"),
    [
        ({"cliquet.project_name": "a", "project_name": "b"}, "c", "a"),
        ({"project_name": "b"}, "c", "b"),
        ({}, "c", "c"),
        ({"project_name": ""}, "c", "c"),
        ({"project_name": None}, "c", "c"),
        ({"cliquet.project_name": "", "project_name": "b"}, "c", "c"),
        ({"c.project_name": "d"}, "c", "c"),
        ({"project_name": "'b'"}, "c", "b"),
        ({"project_name": "2024"}, "c", "2024"),
        ({"project_name": 2024}, "c", "2024"),
        ({}, "", ""),
    ],
)
def test_project_name(given: dict[str, Any], argument: str, name: str) -> None:
    assert settings.resolve_project_name(given, argument) == name
