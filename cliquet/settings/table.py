"""The settings that have one fixed name, with their types, defaults and descriptions.

Names that contain the name of a resource, policy or listener are in ``families``.
"""

from __future__ import annotations

from typing import Any, Final

from cliquet.settings import access, feed_settings, limits, replica_settings
from cliquet.settings.model import Setting
from cliquet.settings.parsers import (
    Boolean,
    Date,
    Hosts,
    Integer,
    List,
    Number,
    Reference,
    Text,
)

__all__ = ["DEFAULT_SETTINGS", "ROWS"]

_TEXT: Final = Text()
_OPTIONAL_TEXT: Final = Text(optional=True)
_LOCATION: Final = Text(switchable=True)
_OPTIONAL_LOCATION: Final = Text(optional=True, switchable=True)
_FLAG: Final = Boolean()
_NAMES: Final = List()
_REFERENCE: Final = Reference()
# For these settings, 0 and an empty value mean the same.
_LIMIT: Final = Integer(optional=True, zero_is_none=True)

_IDENTITY = (
    Setting("project_name", _TEXT, "", "Name of the service, and prefix of its settings."),
    Setting("project_version", _TEXT, "", "Version of the service, as the root URL shows it."),
    Setting(
        "http_api_version",
        _OPTIONAL_TEXT,
        None,
        "Version of the HTTP API, MAJOR.MINOR; its major part is the URL prefix. By default the "
        "first two components of the project version.",
        in_defaults=False,
    ),
    Setting("project_docs", _LOCATION, "", "URL of the documentation, as the root URL shows it."),
    Setting(
        "error_info_link",
        _OPTIONAL_LOCATION,
        None,
        "URL in the body of responses 500, where users can report them.",
    ),
    Setting(
        "problem_type_url",
        _OPTIONAL_LOCATION,
        None,
        "Beginning of the type of errors, which their number follows, for clients that accept "
        "application/problem+json. By default, it leads to the pages of the service itself.",
        version_added="3.2",
    ),
)

_START_UP = (
    Setting(
        "initialization_sequence",
        _NAMES,
        (
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
        "Functions that set the application up, in order; each is given the configurator.",
    ),
    Setting("includes", _NAMES, "", "Plugins included once the application is set up."),
    Setting("event_listeners", _NAMES, "", "Listeners told about changes and reads of resources."),
    Setting(
        "logging_renderer",
        _REFERENCE,
        "cliquet.logs.ClassicLogRenderer",
        "Class that writes log lines: classic, json, heka, or the name of a class.",
    ),
)

_FEATURES = (
    Setting(
        "batch_max_requests",
        _LIMIT,
        25,
        "Most requests that one batch may hold; nothing or 0 for no limit.",
        unit="requests",
        refusal="400",
    ),
    Setting(
        "paginate_by",
        _LIMIT,
        None,
        "Most records in one page of a collection; nothing or 0 for no limit.",
        unit="records",
        refusal="a shorter page",
    ),
    Setting(
        "id_generator",
        _REFERENCE,
        "cliquet.storage.generators.UUID4",
        "Class that makes record ids and recognises them.",
    ),
    Setting(
        "strict_filters",
        _FLAG,
        False,
        "Whether lists refuse unknown parameters that begin with `_`, unknown names in `_sort`, "
        "and filters whose value is of another type than the schema declares.",
        version_added="3.2",
    ),
    Setting(
        "sync_enabled",
        _FLAG,
        False,
        "Whether clients can synchronise all resources with tokens (_sync).",
        version_added="3.2",
    ),
    *feed_settings.ROWS,
    Setting("readonly", _FLAG, False, "Refuse every method that would change a resource."),
    Setting(
        "api_docs_enabled",
        _FLAG,
        True,
        "Serve a page with the documentation of the API at /__docs__.",
        version_added="3.2",
    ),
    Setting(
        "admin_enabled",
        _FLAG,
        False,
        "Serve a page at /__admin__ where people look at records and edit them, with the rights "
        "that their credentials have.",
        version_added="3.2",
    ),
    Setting(
        "compiled_endpoints",
        _FLAG,
        True,
        "Whether requests take the short way to the endpoints of services; without it they go "
        "through all layers of Pyramid, with the same answers.",
        version_added="3.2",
    ),
)

_DEPLOYMENT = (
    Setting(
        "backoff",
        Integer(optional=True, any_text=True),
        None,
        "Value of the header Backoff, which asks clients to come less often; 0 is sent too.",
        unit="seconds",
    ),
    Setting(
        "retry_after_seconds",
        Integer(),
        30,
        "Value of the header Retry-After of responses 503.",
        unit="seconds",
    ),
    Setting("eos", Date(), None, "Date when the service ends; without zone it is UTC."),
    Setting("eos_message", _OPTIONAL_TEXT, None, "Text for users about the end of the service."),
    Setting("eos_url", _OPTIONAL_LOCATION, None, "Page for users about the end of the service."),
    Setting("http_scheme", _OPTIONAL_LOCATION, None, "Scheme of the URLs that the service writes."),
    Setting(
        "http_host",
        _OPTIONAL_LOCATION,
        None,
        "Host, with or without port, of the URLs that the service writes.",
    ),
    Setting(
        "allowed_hosts",
        Hosts(),
        (),
        "Hosts by which clients may call the service, such as api.example.com, *.example.com or "
        "localhost:8000; another one is refused with 400, but for the heartbeats and the metrics. "
        "Nothing allows any.",
        version_added="3.2",
    ),
    Setting(
        "vary",
        _NAMES,
        "Authorization",
        "Headers that the header Vary of every response names.",
        in_defaults=False,
    ),
    Setting("cors_origins", _NAMES, "*", "Origins whose scripts may call the service."),
    Setting(
        "cors_max_age_seconds",
        _LIMIT,
        3600,
        "How long browsers keep the answer of a preflight; nothing or 0 leaves it to them.",
        unit="seconds",
    ),
    Setting(
        "version_prefix_redirect_enabled",
        _FLAG,
        True,
        "Redirect URLs without version prefix to the current version.",
    ),
    Setting(
        "trailing_slash_redirect_enabled",
        _FLAG,
        True,
        "Redirect unknown URLs that end by a slash to the same without it.",
    ),
    Setting(
        "heartbeat_timeout_seconds",
        Number(),
        10,
        "Time that each check of the heartbeat may take; a late one counts as failed.",
        unit="seconds",
        version_added="3.2",
    ),
)

_POOL_SIZE: Final = Integer(optional=True)


def _busy_timeout(kind: str) -> Setting:
    return Setting(
        f"{kind}_busy_timeout_seconds",
        Number(optional=True),
        None,
        "SQLite: longest wait for the lock of another transaction, before the answer is 503; by "
        "default lock_timeout_seconds.",
        unit="seconds",
        version_added="3.2",
    )


_BACKENDS = (
    Setting("storage_backend", _REFERENCE, "", "Module that stores records."),
    Setting("storage_url", _LOCATION, "", "Where records are stored."),
    Setting(
        "storage_max_fetch_size",
        Integer(minimum=1),
        10000,
        "Most records that one request may read.",
        unit="records",
        refusal="a shorter page",
    ),
    Setting(
        "storage_pool_size",
        _POOL_SIZE,
        25,
        "Connections kept open to the storage.",
        unit="connections",
    ),
    _busy_timeout("storage"),
    Setting("cache_backend", _REFERENCE, "", "Module that keeps temporary values."),
    Setting("cache_url", _LOCATION, "", "Where temporary values are kept."),
    Setting(
        "cache_pool_size",
        _POOL_SIZE,
        25,
        "Connections kept open to the cache.",
        unit="connections",
    ),
    Setting(
        "cache_hosts",
        _NAMES,
        "",
        "Servers of the cache in Memcached, each host or host:port.",
        version_added="3.2",
    ),
    Setting("cache_prefix", _TEXT, "", "Text in front of every key of the cache."),
    Setting(
        "cache_max_size_bytes",
        Integer(optional=True),
        524288,
        "Memory that the cache in memory may fill; nothing for no limit.",
        unit="bytes",
        version_added="3.2",
    ),
    _busy_timeout("cache"),
    Setting("permission_backend", _REFERENCE, "", "Module that stores permissions."),
    Setting("permission_url", _LOCATION, "", "Where permissions are stored."),
    Setting(
        "permission_pool_size",
        _POOL_SIZE,
        25,
        "Connections kept open to the permission backend.",
        unit="connections",
    ),
    _busy_timeout("permission"),
    Setting(
        "statement_timeout_seconds",
        Number(),
        30,
        "PostgreSQL: longest time for one statement of a request, which the server then gives up.",
        unit="seconds",
        version_added="3.2",
        refusal="503",
    ),
    Setting(
        "lock_timeout_seconds",
        Number(),
        5,
        "PostgreSQL and SQLite: longest wait of a request for the lock of another one.",
        unit="seconds",
        version_added="3.2",
        refusal="503",
    ),
    Setting(
        "transaction_per_request",
        _FLAG,
        True,
        "Make each request one transaction; without, each operation commits by itself.",
    ),
    Setting(
        "tm.annotate_user",
        _FLAG,
        False,
        "Label transactions with the user, which authenticates every request.",
    ),
)

_MONITORING = (
    Setting("newrelic_config", _OPTIONAL_LOCATION, None, "Configuration file of New Relic."),
    Setting("newrelic_env", _TEXT, "dev", "Section of the configuration file of New Relic."),
    Setting("profiler_enabled", _FLAG, False, "Write a profile of each request."),
    Setting("profiler_dir", _TEXT, "/tmp", "Folder that profiles are written to."),  # noqa: S108
    Setting("statsd_url", _OPTIONAL_LOCATION, None, "Address of StatsD, udp://host:port."),
    Setting(
        "statsd_prefix",
        _TEXT,
        "cliquet",
        "Prefix of the names of metrics when the project has no name.",
    ),
    Setting(
        "prometheus_enabled",
        _FLAG,
        False,
        "Serve metrics for Prometheus at /__metrics__.",
        version_added="3.2",
    ),
    Setting(
        "sentry_dsn",
        _OPTIONAL_LOCATION,
        None,
        "Address of the Sentry project that crashes are sent to.",
        version_added="3.2",
        is_secret=True,
    ),
    Setting(
        "sentry_env",
        _OPTIONAL_TEXT,
        None,
        "Environment that crashes are filed under in Sentry.",
        version_added="3.2",
    ),
    Setting(
        "version_json_path",
        _OPTIONAL_LOCATION,
        None,
        "File that /__version__ answers with, as Dockerflow describes it.",
        version_added="3.2",
    ),
)

ROWS: Final = (
    *_IDENTITY,
    *_START_UP,
    *_FEATURES,
    *_DEPLOYMENT,
    *_BACKENDS,
    *replica_settings.ROWS,
    *access.ROWS,
    *_MONITORING,
    *limits.ROWS,
)

DEFAULT_SETTINGS: dict[str, Any] = {row.name: row.default for row in ROWS if row.in_defaults}
"""Internal defaults under their bare names; applications copy this mapping (S-4)."""
