"""The table of settings: its rows, the internal defaults, the reader."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from cliquet import settings
from cliquet.settings import families, limits

S4_DEFAULTS: dict[str, Any] = {
    "backoff": None,
    "batch_max_requests": 25,
    "cache_backend": "",
    "cache_url": "",
    "cache_pool_size": 25,
    "cache_prefix": "",
    "cors_origins": "*",
    "cors_max_age_seconds": 3600,
    "eos": None,
    "eos_message": None,
    "eos_url": None,
    "error_info_link": None,
    "event_listeners": "",
    "http_host": None,
    "http_scheme": None,
    "id_generator": "cliquet.storage.generators.UUID4",
    "includes": "",
    "initialization_sequence": (
        "cliquet.initialization.setup_request_bound_data",
        "cliquet.initialization.setup_json_serializer",
        "cliquet.initialization.setup_logging",
        "cliquet.initialization.setup_storage",
        "cliquet.initialization.setup_permission",
        "cliquet.initialization.setup_cache",
        "cliquet.initialization.setup_requests_scheme",
        "cliquet.initialization.setup_vary_headers",
        "cliquet.initialization.setup_version_redirection",
        "cliquet.initialization.setup_deprecation",
        "cliquet.initialization.setup_authentication",
        "cliquet.initialization.setup_backoff",
        "cliquet.initialization.setup_statsd",
        "cliquet.initialization.setup_listeners",
        "cliquet.events.setup_transaction_hook",
    ),
    "logging_renderer": "cliquet.logs.ClassicLogRenderer",
    "multiauth.authorization_policy": "cliquet.authorization.AuthorizationPolicy",
    "multiauth.groupfinder": "cliquet.authorization.groupfinder",
    "multiauth.policies": "basicauth",
    "multiauth.policy.basicauth.use": "cliquet.authentication.BasicAuthAuthenticationPolicy",
    "newrelic_config": None,
    "newrelic_env": "dev",
    "paginate_by": None,
    "permission_backend": "",
    "permission_url": "",
    "permission_pool_size": 25,
    "profiler_dir": "/tmp",
    "profiler_enabled": False,
    "project_docs": "",
    "project_name": "",
    "project_version": "",
    "readonly": False,
    "retry_after_seconds": 30,
    "statsd_prefix": "cliquet",
    "statsd_url": None,
    "storage_backend": "",
    "storage_url": "",
    "storage_max_fetch_size": 10000,
    "storage_pool_size": 25,
    "tm.annotate_user": False,
    "trailing_slash_redirect_enabled": True,
    "transaction_per_request": True,
    "userid_hmac_secret": "",
    "version_prefix_redirect_enabled": True,
}

ADDED_DEFAULTS: dict[str, Any] = {
    "storage_read_url": "",
    "permission_read_url": "",
    "batch_timeout_seconds": 30,
    "cache_hosts": "",
    "cache_max_size_bytes": 524288,
    "compiled_endpoints": True,
    "explain_forbidden": False,
    "explicit_permissions": True,
    "groups_enabled": False,
    "permissions_visible_to": "read",
    "problem_type_url": None,
    "heartbeat_timeout_seconds": 10,
    "allowed_hosts": (),
    "max_body_bytes": 10485760,
    "max_record_bytes": 2097152,
    "sync_enabled": False,
    "feed_max_streams": 50,
    "feed_max_wait_seconds": 60,
    "feed_recheck_seconds": 5,
    "statement_timeout_seconds": 30,
    "lock_timeout_seconds": 5,
    "max_error_details": 100,
    "max_field_depth": 100,
    "max_filters": 100,
    "max_filter_values": 1000,
    "max_log_field_bytes": 1024,
    "max_response_bytes": 10485760,
    "max_url_bytes": 8190,
    "storage_busy_timeout_seconds": None,
    "permission_busy_timeout_seconds": None,
    "cache_busy_timeout_seconds": None,
    "prometheus_enabled": False,
    "sentry_dsn": None,
    "sentry_env": None,
    "strict_filters": False,
    "timestamp_max_ahead_seconds": 86400,
    "admin_enabled": False,
    "api_docs_enabled": True,
    "version_json_path": None,
}


@pytest.mark.clause("S-4", "S-5.1")
@pytest.mark.parametrize("name", sorted(S4_DEFAULTS))
def test_published_default_is_there_with_its_value_and_type(name: str) -> None:
    default = settings.DEFAULT_SETTINGS[name]

    assert default == S4_DEFAULTS[name]
    assert type(default) is type(S4_DEFAULTS[name])


@pytest.mark.clause("S-4", "S-1.5", "B-21.33", "B-21.39")
def test_defaults_are_the_published_ones_and_those_of_the_additions() -> None:
    assert type(settings.DEFAULT_SETTINGS) is dict
    expected = {**S4_DEFAULTS, **ADDED_DEFAULTS}
    assert expected == settings.DEFAULT_SETTINGS, "a new default belongs into ADDED_DEFAULTS"


@pytest.mark.clause("S-1.5")
@pytest.mark.parametrize("name", ["http_api_version", "vary"])
def test_setting_without_internal_default_is_known_all_the_same(name: str) -> None:
    assert name not in settings.DEFAULT_SETTINGS
    assert settings.find(name) is not None


@pytest.mark.parametrize("name", sorted(settings.SETTINGS))
def test_every_row_explains_itself_and_accepts_its_own_default(name: str) -> None:
    row = settings.SETTINGS[name]

    assert row.sentence.endswith(".")
    assert row.parse.allowed
    assert row.version_added in ("3.1", "3.2")
    row.value(row.default)


@pytest.mark.parametrize("name", sorted(settings.SETTINGS))
def test_parsing_a_parsed_value_changes_nothing(name: str) -> None:
    row = settings.SETTINGS[name]
    for given in (None, False, "", "0", "7", 7, "a b", "2031-01-22"):
        try:
            parsed = row.value(given)
        except settings.SettingError:
            continue
        assert row.value(parsed) == parsed


@pytest.mark.clause("S-7.1", "S-10.1", "S-12", "S-14.4", "S-15.4", "S-16.1", "S-17.1")
@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("collection_article_delete_enabled", "{endpoint_type}_{resource_name}_{method}_enabled"),
        ("record_my_thing_patch_enabled", "{endpoint_type}_{resource_name}_{method}_enabled"),
        ("article_cache_expires_seconds", "{resource_name}_cache_expires_seconds"),
        ("storage_cache_expires_seconds", "{resource_name}_cache_expires_seconds"),
        ("_cache_expires_seconds", "{resource_name}_cache_expires_seconds"),
        ("my_bucket_create_principals", "{resource_name}_{permission}_principals"),
        ("bucket_collection:create_principals", "{resource_name}_{permission}_principals"),
        ("event_listeners.redis.use", "event_listeners.{name}.use"),
        ("event_listeners.my.queue.pool_size", "event_listeners.{name}.pool_size"),
        ("event_listeners.redis.verbose", "event_listeners.{name}.{option}"),
        ("multiauth.policy.fxa.use", "multiauth.policy.{name}.use"),
        ("multiauth.policy.ipauth.ipaddrs", "multiauth.policy.{name}.{option}"),
        ("multiauth.policy.basicauth.use", "multiauth.policy.basicauth.use"),
        ("tm.attempts", "tm.{option}"),
        ("tm.annotate_user", "tm.annotate_user"),
        ("cache_pool_timeout", "{component}_pool_timeout"),
        ("permission_max_overflow", "{component}_max_overflow"),
    ],
)
def test_name_belongs_to_its_row(name: str, family: str) -> None:
    row = settings.find(name)

    assert row is not None
    assert row.name == family


@pytest.mark.parametrize(
    "name",
    [
        "paginateby",
        "{resource_name}_cache_expires_seconds_",
        "article_frobnicate_enabled",
        "tm.annotate_user\n\n",
        "other_max_overflow",
        "cliquet.article_cache_expires_seconds",
    ],
)
def test_unknown_name_has_no_row_of_its_own(name: str) -> None:
    row = settings.find(name)

    assert row is None or row.name == "tm.{option}"


def test_reading_an_unknown_name_is_a_key_error_that_names_it() -> None:
    with pytest.raises(KeyError, match="paginateby"):
        settings.read({"paginateby": 3}, "paginateby")


@pytest.mark.clause("S-6.2", "S-8.1", "S-17.5")
def test_reading_follows_changes_of_the_mapping() -> None:
    configured: dict[str, Any] = {}

    before = settings.read(configured, "paginate_by")
    configured["paginate_by"] = "12"

    assert before is None
    assert settings.read(configured, "paginate_by") == 12


def test_reading_tells_applications_apart() -> None:
    first, second = {"paginate_by": "12"}, {"paginate_by": "13"}

    values = [settings.read(configured, "paginate_by") for configured in (first, second, first, {})]

    assert values == [12, 13, 12, None]


@pytest.mark.parametrize(
    ("given", "value"),
    [(True, True), (1, True), ("1", True), (0, False), ("", False), (None, False)],
)
def test_reading_tells_equal_values_of_other_types_apart(
    given: int | str | None, value: bool
) -> None:
    settings.read({"readonly": True, "paginate_by": None}, "readonly")

    assert settings.read({"readonly": given}, "readonly") is value


def test_reading_follows_changes_of_a_list() -> None:
    configured: dict[str, Any] = {"cors_origins": ["https://a.example"]}
    settings.read(configured, "cors_origins")

    configured["cors_origins"].append("https://b.example")

    assert settings.read(configured, "cors_origins") == ("https://a.example", "https://b.example")


def test_what_was_read_of_many_names_is_forgotten() -> None:
    for number in range(3000):
        name = f"record_r{number}_put_enabled"
        assert settings.read({name: "no"}, name) is False

    assert len(families._last_read) <= 1024


def test_reading_a_family_without_value_gives_its_default() -> None:
    assert settings.read({}, "record_article_put_enabled") is True
    assert settings.read({}, "event_listeners.redis.listname") == "cliquet.events"


@pytest.mark.clause("S-22")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cors_max_age_seconds", "an hour"),
        ("storage_pool_size", "many"),
        ("cache_pool_size", "-1"),
        ("permission_pool_size", 1.5),
        ("storage_max_fetch_size", "all"),
        ("retry_after_seconds", ""),
        ("paginate_by", True),
        ("heartbeat_timeout_seconds", 0),
        ("eos", "tomorrow"),
        ("cors_origins", True),
        ("article_cache_expires_seconds", "soon"),
    ],
)
def test_bad_value_fails_validation_with_name_value_and_what_is_allowed(
    name: str, value: float | str
) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        settings.validate({"project_name": "x", name: value})

    message = str(caught.value)
    assert isinstance(caught.value, settings.SettingError)
    assert caught.value.name == name
    assert repr(value) in message
    row = settings.find(name)
    assert row is not None
    assert row.parse.allowed in message


@pytest.mark.clause("S-1.11")
def test_validation_leaves_settings_of_others_alone() -> None:
    configured = {"pyramid.reload_templates": object(), "here": "/srv", "x": None}

    settings.validate({**settings.DEFAULT_SETTINGS, **configured})


@pytest.mark.clause("P-2.7")
def test_a_value_read_is_never_a_mutable_part_of_the_defaults() -> None:
    for name in settings.DEFAULT_SETTINGS:
        assert not isinstance(settings.read(settings.DEFAULT_SETTINGS, name), (list, dict, set))


@pytest.mark.clause("S-8.6")
def test_reading_the_end_of_service_gives_a_date() -> None:
    eos = settings.read({"eos": "2031-01-22"}, "eos")

    assert eos == datetime.datetime(2031, 1, 22, tzinfo=datetime.timezone.utc)


@pytest.mark.clause("X-34")
def test_every_setting_that_bounds_requests_says_what_meets_what_is_beyond_it() -> None:
    assert [row.name for row in limits.ROWS if row.refusal is None] == []
    # The page of limits has those elsewhere in the table too.
    assert settings.SETTINGS["batch_max_requests"].refusal == "400"
