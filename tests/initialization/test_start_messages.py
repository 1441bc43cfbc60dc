"""What a service says when it starts."""

from collections.abc import Callable
from typing import Any

import colander
import pytest
from support.logged import capture_logs
from testapp import Mushroom

from cliquet import resource
from cliquet.permission.base import PermissionBase
from cliquet.testing.web import make_app


@pytest.fixture
def warnings() -> Any:
    """Start a service, and give the texts of its warnings."""

    def started(settings: Any) -> list[Any]:
        with capture_logs() as entries:
            make_app([Mushroom], settings=settings)
        return [entry for entry in entries if entry["log_level"] == "warning"]

    return started


@pytest.mark.clause("E-7.2")
def test_unknown_settings_are_told_with_the_nearest_name(warnings: Callable[..., Any]) -> None:
    (warning,) = warnings({"cliquet.pagniate_by": 5, "cliquet.userid_hmac_secret": "b4c96a"})

    assert warning["settings"] == [
        "unknown setting cliquet.pagniate_by; did you mean cliquet.paginate_by?"
    ]


@pytest.mark.clause("E-7.2")
def test_known_settings_and_those_of_the_application_are_not(warnings: Callable[..., Any]) -> None:
    settings = {
        "cliquet.paginate_by": 5,
        "cliquet.record_mushroom_put_enabled": False,
        "mushroom_colour": "red",
        "pyramid.includes": "",
    }

    assert warnings({**settings, "userid_hmac_secret": "b4c96a"}) == []


UNREAD = "Some variables of the environment are not read."


@pytest.mark.clause("E-8.12")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CLIQUET_PAGNIATE_BY", "is the name of no setting; did you mean CLIQUET_PAGINATE_BY?"),
        ("cliquet_paginate_by", "is the name of no setting; did you mean CLIQUET_PAGINATE_BY?"),
        ("CLIQUET_STORAGE_URLS", "is the name of no setting; did you mean CLIQUET_STORAGE_URL?"),
        ("TESTAPP_PAGNIATE_BY", "is the name of no setting; did you mean TESTAPP_PAGINATE_BY?"),
        ("CLIQUET_ZYX", "is the name of no setting."),
        (
            "CLIQUET_HTTP_API_VERSION",
            "is only read where the file has a line for the setting; allowed: a line such as "
            "cliquet.http_api_version = …",
        ),
        (
            "CLIQUET_EVENT_LISTENERS_REDIS_URL",
            "is only read where the file has a line for the setting; allowed: a line such as "
            "event_listeners.redis.url = …",
        ),
    ],
)
def test_variables_that_nothing_reads_are_told_without_their_values(
    warnings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "hunter2")

    (warning,) = warnings({"userid_hmac_secret": "b4c96a"})

    assert warning["event"] == UNREAD
    assert warning["variables"] == [f"{name} {said}"]
    assert "hunter2" not in str(warning)


@pytest.mark.clause("E-8.12", "S-1.5")
@pytest.mark.parametrize(
    "name",
    [
        "CLIQUET_PAGINATE_BY",
        "TESTAPP_PAGINATE_BY",
        "TESTAPP_COLOUR",
        "CLIQUET_MUSHROOM_STRICT_FILTERS",
        "CLIQUET_INI",
        # Kubernetes tells each container of a service with the name `cliquet`.
        "CLIQUET_SERVICE_HOST",
        "CLIQUET_SERVICE_PORT_HTTP",
        "CLIQUET_PORT_8888_TCP_ADDR",
        "PAGNIATE_BY",
    ],
)
def test_variables_that_are_read_or_of_others_are_not_told(
    warnings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "true" if name.endswith("FILTERS") else "5")

    assert warnings({"userid_hmac_secret": "b4c96a"}) == []


@pytest.mark.clause("S-16.3")
@pytest.mark.setting("userid_hmac_secret")
def test_basic_auth_without_secret_is_told(warnings: Callable[..., Any]) -> None:
    (warning,) = warnings({"userid_hmac_secret": ""})

    assert "userid_hmac_secret is empty" in warning["event"]


@pytest.mark.clause("S-16.3")
@pytest.mark.parametrize(
    "settings",
    [
        {"multiauth.policies": "none", "multiauth.policy.none.use": f"{__name__}.Nobody"},
        {"multiauth.policy.basicauth.use": f"{__name__}.Nobody"},
    ],
)
def test_other_policies_need_no_secret(
    warnings: Callable[..., Any], settings: dict[str, Any]
) -> None:
    assert warnings({"userid_hmac_secret": "", **settings}) == []


NETWORK = {
    "userid_hmac_secret": "b4c96a",
    "multiauth.policies": "lan basicauth",
    "multiauth.policy.lan.use": "cliquet.authentication.IPAuthenticationPolicy",
    "multiauth.policy.lan.ipaddrs": "10.0.0.*",
    "multiauth.policy.lan.principals": "trusted",
}


@pytest.mark.clause("S-16.7", "S-9")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cors_origins": "https://shop.example *"},
        {"cors_origins": "https://*"},
        {"statsd_url": "udp://localhost:8125"},
        {"multiauth.policy.lan.use": "pyramid_ipauth.IPAuthentictionPolicy"},
    ],
)
def test_networks_whose_pages_may_come_from_anywhere_are_told_once(
    warnings: Callable[..., Any], settings: dict[str, Any]
) -> None:
    (warning,) = warnings({**NETWORK, **settings})

    assert "Any web page that somebody within the networks" in warning["event"]
    assert "cors_origins" in warning["event"]
    assert warning["policies"] == ["lan"]


@pytest.mark.clause("S-16.7", "S-9")
@pytest.mark.parametrize(
    "settings",
    [
        {"cors_origins": "https://shop.example https://*.shop.example"},
        {"cors_origins": ""},
        {"multiauth.policies": "basicauth"},
    ],
)
def test_networks_whose_pages_are_named_and_other_policies_are_not(
    warnings: Callable[..., Any], settings: dict[str, Any]
) -> None:
    assert warnings({**NETWORK, **settings}) == []


class Nobody:
    """A policy that knows no user."""

    def authenticated_userid(self, request: Any) -> None:
        return None

    unauthenticated_userid = authenticated_userid

    def effective_principals(self, request: Any) -> list[Any]:
        return []

    def forget(self, request: Any) -> list[Any]:
        return []


@pytest.fixture(scope="module")
def urls(
    tmp_path_factory: pytest.TempPathFactory, redis_server: str, postgresql_module_url: str
) -> dict[str, Any]:
    """URLs of two databases of each kind."""
    folder = tmp_path_factory.mktemp("databases")
    return {
        "memory": ("", ""),
        "sqlite": (f"sqlite:///{folder}/a.db", f"sqlite:///{folder}/b.db"),
        # Nothing is connected at the start.
        "postgresql": (postgresql_module_url, postgresql_module_url + "_2"),
        "redis": (f"{redis_server}/1", f"{redis_server}/2"),
    }


def backends(urls: Any, storage: Any, permission: Any, rank: Any) -> Any:
    settings = {"userid_hmac_secret": "b4c96a"}
    for kind, family, number in (("storage", storage, 0), ("permission", permission, rank)):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.{family}"
        settings[f"{kind}_url"] = urls[family][number]
    return settings


FAMILIES = ("memory", "sqlite", "postgresql", "redis")


@pytest.mark.clause("X-30")
@pytest.mark.parametrize(
    ("storage", "permission", "rank"),
    [
        *((one, other, 0) for one in FAMILIES for other in FAMILIES if one != other),
        ("sqlite", "sqlite", 1),
        ("postgresql", "postgresql", 1),
        ("redis", "redis", 0),
        ("redis", "redis", 1),
    ],
)
def test_backends_that_do_not_commit_together_are_told_once(
    warnings: Callable[..., Any], urls: dict[str, Any], storage: str, permission: str, rank: int
) -> None:
    (warning,) = warnings(backends(urls, storage, permission, rank))

    assert "a crash in between leaves permissions without record" in warning["event"]
    assert "cliquet check-permissions" in warning["event"]
    assert "none if both are in one database of PostgreSQL or SQLite" in warning["event"]
    # As who set them up has written them.
    assert warning["storage"] == f"cliquet.storage.{storage}"
    assert warning["permission"] == f"cliquet.permission.{permission}"


@pytest.mark.clause("X-30")
@pytest.mark.parametrize("family", ["memory", "sqlite", "postgresql"])
@pytest.mark.parametrize("more", [{}, {"statsd_url": "udp://localhost:8125"}])
def test_backends_of_one_database_are_not(
    warnings: Callable[..., Any], urls: dict[str, Any], family: str, more: dict[str, Any]
) -> None:
    assert warnings({**backends(urls, family, family, 0), **more}) == []


class OtherPermission(PermissionBase):
    """A backend of another origin."""


def load_from_config(config: Any) -> Any:
    return OtherPermission()


@pytest.mark.clause("X-30")
@pytest.mark.parametrize("name", ["", __name__])
def test_nothing_is_said_of_backends_of_other_origins(
    warnings: Callable[..., Any], name: str
) -> None:
    assert warnings({"permission_backend": name, "userid_hmac_secret": "b4c96a"}) == []


class IndexedSchema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String())

    class Options:
        indexed_fields = ("name",)


class Indexed(resource.UserResource):
    mapping = IndexedSchema()


@pytest.mark.clause("E-10.2")
def test_missing_tables_are_told_and_not_their_indexes(postgresql_url: str) -> None:
    settings = {
        "userid_hmac_secret": "b4c96a",
        "storage_backend": "cliquet.storage.postgresql",
        "storage_url": postgresql_url,
    }

    def started() -> Any:
        with capture_logs() as entries:
            registry = make_app([Indexed], settings=settings).app.registry
        texts.append([entry["event"] for entry in entries])
        return registry

    texts: list[list[str]] = []
    started().storage.initialize_schema()
    started()

    missing = "The tables of the storage are missing, which `cliquet migrate` makes."
    assert [text for text in texts[0] if "missing" in text] == [missing]
    assert [text for text in texts[1] if "missing" in text] == []
