"""Mistakes in settings: each is met at the start, and named with what is allowed."""

import pkgutil
from inspect import getsourcelines
from types import ModuleType
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from support.logged import capture_logs
from testapp import Mushroom, Spore

import cliquet.cache
import cliquet.permission
import cliquet.storage
from cliquet import Service
from cliquet.connections import memcached
from cliquet.events import ResourceChanged
from cliquet.initialization.backends import BUILT_IN
from cliquet.storage.generators import Generator
from cliquet.testing.web import make_app

SECRET = {"userid_hmac_secret": "b4c96a"}
STORAGES = (
    "cliquet.storage.memory, cliquet.storage.postgresql, cliquet.storage.redis, "
    "cliquet.storage.sqlite, or a module with load_from_config()"
)
GENERATORS = "a class such as cliquet.storage.generators.UUID4"


class Misspelt(Generator):
    regex = "^[a-z]+$"

    def __call__(self) -> str:
        return "abc"


class NoGenerator:
    pass


def no_finder() -> None:
    """Return nothing."""


class NoPrefix:
    @staticmethod
    def load_from_config(config: Any) -> Any:
        return print


class Awaited:
    class Listener:
        async def __call__(self, event: Any) -> None:
            """Do nothing."""

        async def tell(self, event: Any) -> None:
            """Do nothing."""

    @classmethod
    def load_from_config(cls, config: Any, prefix: str) -> Any:
        return cls.Listener()


class Bound:
    @staticmethod
    def load_from_config(config: Any, prefix: str) -> Any:
        return Awaited.Listener().tell


class NotMade(Awaited):
    @classmethod
    def load_from_config(cls, config: Any, prefix: str) -> Any:
        return cls.Listener


def no_listener(config: Any, prefix: str) -> None:
    """Return nothing."""


load_from_config = no_listener


def refusal(settings: Any) -> Exception:
    """Return the error at the start of a service with two resources."""
    with pytest.raises((ConfigurationError, ImportError, ValueError)) as caught:
        make_app([Mushroom, Spore], settings=settings)
    return caught.value


REFUSED = [
    ({"readonly": "tru"}, "Setting 'readonly' is 'tru'; allowed: true or false."),
    (
        {"record_spore_patch_enabled": "flase"},
        "Setting 'record_spore_patch_enabled' is 'flase'; allowed: true or false.",
    ),
    (
        {"storage_backend": "cliquet.storage.postgres"},
        "Setting 'storage_backend' is 'cliquet.storage.postgres': No module named "
        f"'cliquet.storage.postgres'; allowed: {STORAGES}; did you mean "
        "'cliquet.storage.postgresql'?",
    ),
    (
        {"storage_backend": "redis"},
        f"Setting 'storage_backend' is 'redis', which has no load_from_config(); allowed: "
        f"{STORAGES}; did you mean 'cliquet.storage.redis'?",
    ),
    (
        {"storage_backend": "cliquet.cache.memory"},
        f"Invalid storage backend: setting 'storage_backend' is 'cliquet.cache.memory'; allowed: "
        f"{STORAGES}; did you mean 'cliquet.storage.memory'?",
    ),
    (
        {"cache_backend": "cliquet.storage.sqlite"},
        "Invalid cache backend: setting 'cache_backend' is 'cliquet.storage.sqlite'; allowed: "
        "cliquet.cache.memcached, cliquet.cache.memory, cliquet.cache.postgresql, "
        "cliquet.cache.redis, cliquet.cache.sqlite, or a module with load_from_config(); did you "
        "mean 'cliquet.cache.sqlite'?",
    ),
    (
        {"id_generator": "cliquet.storage.generators.UUID5"},
        "Setting 'id_generator' is 'cliquet.storage.generators.UUID5': ",
    ),
    (
        {"id_generator": "cliquet.storage.generators"},
        "Setting 'id_generator' is 'cliquet.storage.generators', which cannot be called; allowed: "
        f"{GENERATORS}.",
    ),
    (
        {"id_generator": f"{__name__}.NoGenerator"},
        f"Setting 'id_generator' is '{__name__}.NoGenerator', which makes <",
    ),
    (
        {"id_generator": f"{__name__}.Misspelt"},
        f"{__file__}:{getsourcelines(Misspelt)[1]}: class Misspelt: regex has no effect; ",
    ),
    (
        {"logging_renderer": "cliquet.logs"},
        "Setting 'logging_renderer' is 'cliquet.logs', which cannot be called; allowed: classic, "
        "json, heka, or a class such as cliquet.logs.ClassicLogRenderer.",
    ),
    ({"logging_renderer": "cliquet.logs.Nothing"}, "Setting 'logging_renderer' is 'cliquet.logs."),
    (
        {"logging_renderer": "jsn"},
        "No module named 'jsn'; allowed: classic, json, heka, or a class",
    ),
    ({"logging_renderer": "jsn"}, "; did you mean 'json'?"),
    (
        {"id_generator": "cliquet.storage.generators.UUID5"},
        "is 'cliquet.storage.generators.UUID5': the module 'cliquet.storage.generators' has no "
        f"'UUID5'; allowed: {GENERATORS}; did you mean 'cliquet.storage.generators.UUID4'?",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": "cliquet.listener.redis"},
        "; did you mean 'cliquet.listeners.redis'?",
    ),
    (
        {"initialization_sequence": "cliquet.initialization.setup_storag"},
        "; allowed: a function; did you mean 'cliquet.initialization.setup_storage'?",
    ),
    ({"includes": "nowhere"}, "No module named 'nowhere'; allowed: a module with includeme()."),
    (
        {"multiauth.policies": "basicauht"},
        "; allowed: basicauth, or a name with the setting 'multiauth.policy.<name>.use'; did you "
        "mean 'basicauth'?",
    ),
    (
        {
            "multiauth.policies": "keys",
            "multiauth.policy.keys.use": "cliquet.authentication.APIKeyPolicy",
            "multiauth.policy.keys.scheem": "Key",
        },
        "Setting 'multiauth.policy.keys.scheem' is no option of "
        "'cliquet.authentication.APIKeyPolicy', which cannot be made with it; allowed: ",
    ),
    (
        {
            "multiauth.policies": "tokens",
            "multiauth.policy.tokens.use": "cliquet.authentication.JWTPolicy",
        },
        "is 'cliquet.authentication.JWTPolicy', which cannot be made without "
        "'multiauth.policy.tokens.issuer', 'multiauth.policy.tokens.audience'.",
    ),
    (
        {"multiauth.groupfinder": f"{__name__}.no_finder"},
        f"'multiauth.groupfinder' is '{__name__}.no_finder', which takes (), and is called with ",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": f"{__name__}.NoPrefix"},
        "NoPrefix.load_from_config() of the listener 'a' takes (config), and is called with other ",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": f"{__name__}.Awaited"},
        f"{__file__}:{{line}}: Awaited.Listener.__call__() of the listener 'a' is async, and ",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": f"{__name__}.Bound"},
        "Awaited.Listener.tell() of the listener 'a' is async, and nothing would await it; ",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": f"{__name__}.NotMade"},
        "whose load_from_config() returned <class ",
    ),
    (
        {"project_docs": "https://example.com\ncliquet.userid_hmac_secret = s3cr3t"},
        "Setting 'project_docs' is 'https://example.com'; allowed: one value; the line of "
        "'cliquet.userid_hmac_secret' begins with white space, so that it continues the line ",
    ),
    ({"includes": "json"}, "Setting 'includes' has 'json', which is none; allowed: a module with "),
    ({"includes": "nowhere.at_all"}, "Setting 'includes' has 'nowhere.at_all': No module named "),
    (
        {"initialization_sequence": "json"},
        "Setting 'initialization_sequence' has 'json', which is none; allowed: a function.",
    ),
    (
        {"event_listeners": "redsi", "event_listeners.redis.use": "cliquet.listeners.redis"},
        "Setting 'event_listeners.redsi.use' is missing: 'event_listeners' has 'redsi', which is "
        "no module with load_from_config() either; allowed: a module with load_from_config(), such "
        "as cliquet.listeners.redis; did you mean 'redis'?",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": "json"},
        "Setting 'event_listeners.a.use' is 'json', which has no load_from_config(); allowed: ",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": "cliquet.listeners.rediss"},
        "Setting 'event_listeners.a.use' is 'cliquet.listeners.rediss': No module named ",
    ),
    (
        {"event_listeners": "a", "event_listeners.a.use": __name__},
        "Setting 'event_listeners' has 'a', whose load_from_config() returned None; allowed: a ",
    ),
    (
        {
            "event_listeners": "a",
            "event_listeners.a.use": "cliquet.listeners.redis",
            "event_listeners.a.actions": "create burn",
        },
        "Setting 'event_listeners.a.actions': 'burn' is not a valid ACTIONS; allowed: create, "
        "delete, read, update.",
    ),
    (
        {"record_sprore_patch_enabled": "false"},
        "Setting 'record_sprore_patch_enabled' is of the resource 'sprore', which does not exist; "
        "allowed: mushroom, spore; did you mean 'spore'?",
    ),
    (
        {"cliquet.spores_cache_expires_seconds": "5"},
        "Setting 'cliquet.spores_cache_expires_seconds' is of the resource 'spores', which does "
        "not exist; allowed: mushroom, spore; did you mean 'spore'?",
    ),
    (
        {"testapp.mushrom_write_principals": "group:staff"},
        "Setting 'testapp.mushrom_write_principals' is of the resource 'mushrom', which does ",
    ),
    (
        {"event_listeners.x.resources": "mushroom spoor"},
        "Setting 'event_listeners.x.resources' is of the resource 'spoor', which does not exist; ",
    ),
]


@pytest.mark.clause("E-8.11", "S-22")
@pytest.mark.parametrize(("settings", "said"), REFUSED)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], said: str) -> None:
    error = refusal(settings)

    assert said.format(line=getsourcelines(Awaited.Listener.__call__)[1]) in str(error)
    assert "\n" not in str(error)
    assert "s3cr3t" not in str(error)


DOUBTFUL = [
    ({"http_scheme": "htps"}, "http_scheme is 'htps'; allowed: http or https."),
    ({"http_host": "https://a.example"}, "http_host is 'https://a.example'; allowed: a host, or "),
    ({"http_api_version": "v1"}, "http_api_version is 'v1', so that URLs begin with /vv1; allowed"),
    (
        {"cors_origins": "a.example https://b.example *.c.example"},
        "cors_origins has 'a.example', which no browser sends; allowed: an origin with its scheme, "
        "such as https://a.example.",
    ),
    (
        {"spore_write_principals": "system.Authentcated, basicauth:1"},
        "spore_write_principals is 'system.Authentcated, basicauth:1'; did you mean "
        "'system.Authenticated'?",
    ),
    (
        {"spore_craete_principals": "system.Everyone"},
        "spore_craete_principals is of the permission 'craete'; did you mean "
        "'spore_create_principals'?",
    ),
    (
        {"event_listeners.a.use": f"{__name__}.Heard"},
        "event_listeners.a.use has no effect, since event_listeners is ''; allowed: event_listeners"
        " = a.",
    ),
    (
        {
            "event_listeners": "a",
            "event_listeners.a.use": f"{__name__}.Heard",
            "event_listeners.a.action": "create",
        },
        "event_listeners.a.action is probably misspelt; did you mean 'actions'?",
    ),
    ({"paginate_bye": "5"}, "paginate_bye is unknown; did you mean 'paginate_by'?"),
]


class Heard(Awaited):
    @classmethod
    def load_from_config(cls, config: Any, prefix: str) -> Any:
        return lambda event: None


@pytest.mark.clause("E-8.12")
@pytest.mark.parametrize(("settings", "said"), DOUBTFUL)
def test_a_doubtful_setting_is_told(settings: dict[str, Any], said: str) -> None:
    with capture_logs() as entries:
        make_app([Mushroom, Spore], settings={**SECRET, **settings})

    (told,) = [entry for entry in entries if entry["log_level"] == "warning"]
    assert told["event"] == "Some settings are probably mistakes."
    (text,) = told["settings"]
    assert text.startswith(said)


@pytest.mark.clause("E-8.12")
def test_settings_that_may_be_meant_are_not_told() -> None:
    settings = {
        **SECRET,
        "http_scheme": "https",
        "http_host": "a.example:88",
        "http_api_version": "2.1",
        "cors_origins": "https://a.example *.b.example null",
        "spore_write_principals": "system.Authenticated, group:staff",
        "spore_create_principals": "system.Everyone",
        "event_listeners": f"a {__name__}.Heard",
        "event_listeners.a.use": f"{__name__}.Heard",
        "event_listeners.a.colour": "green",
        "paginated": "5",
        "http_port": "8888",
        "other.paginate_bye": "5",
    }
    with capture_logs() as entries:
        make_app([Mushroom, Spore], settings=settings)

    assert [entry for entry in entries if entry["log_level"] == "warning"] == []


@pytest.mark.clause("E-8.12")
def test_a_subscriber_of_an_unknown_resource_is_told() -> None:
    def hear(event: Any) -> None:
        pass

    def subscribe(config: Any) -> None:
        config.add_subscriber(hear, ResourceChanged, for_resources=("spoer", "mushroom"))

    with capture_logs() as entries:
        make_app([Mushroom, Spore], settings=SECRET, configure=subscribe)

    (told,) = [entry["settings"] for entry in entries if entry["log_level"] == "warning"]
    assert told == [
        "A subscriber has for_resources='spoer', which does not exist; allowed: mushroom, spore; "
        "did you mean 'spore'?"
    ]


@pytest.mark.clause("E-8.11")
@pytest.mark.parametrize("package", [cliquet.storage, cliquet.cache, cliquet.permission])
def test_the_backends_that_a_message_lists_are_those_that_exist(package: ModuleType) -> None:
    kind = package.__name__.rpartition(".")[2]
    folders = {found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg}

    assert set(BUILT_IN[kind]) == folders - {"relational", "listing"}


@pytest.mark.clause("E-8.11", "S-12.4")
def test_a_missing_extra_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memcached, "pymemcache", None)
    error = refusal({"cache_backend": "cliquet.cache.memcached", "cache_hosts": "localhost"})

    assert "pip install 'cliquet[memcached]'" in str(error)
    assert "\n" not in str(error)


@pytest.mark.clause("E-8.12", "E-7.2")
def test_a_setting_of_a_resource_that_is_like_no_other_is_told() -> None:
    with capture_logs() as entries:
        make_app(
            [Mushroom],
            settings={
                **SECRET,
                "cliquet.record_badge_put_enabled": False,
                "staff_write_principals": "group:staff",
                "event_listeners.x.resources": "lichen",
            },
        )
    (warning,) = [entry for entry in entries if entry["log_level"] == "warning"]

    assert warning["settings"] == [
        "cliquet.record_badge_put_enabled is a setting of the unknown resource 'badge'"
    ]


def warned(**kwargs: Any) -> list[str]:
    with capture_logs() as entries:
        make_app(settings=SECRET, **kwargs)
    return [entry["event"] for entry in entries if entry["log_level"] == "warning"]


@pytest.mark.clause("E-8.12")
def test_a_service_without_resources_is_told() -> None:
    hello = Service(name="greeting", path="/greeting")
    hello.get()(lambda request: {})

    (told,) = warned()

    assert told.startswith("The service has no resource: scan the modules of its resources")
    assert warned(resources=[Mushroom]) == []
    assert warned(configure=lambda config: config.add_cornice_service(hello)) == []
