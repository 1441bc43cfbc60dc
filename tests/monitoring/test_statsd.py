"""The client of metrics. The package that sends them is replaced, at its edge."""

import functools
import re
import types
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import statsd
from cliquet.settings import DEFAULT_SETTINGS
from cliquet.statsd import Client


class Package(list):
    """Takes the place of the package, and of its client; lists the lines that it would send."""

    def StatsClient(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - of the package
        self.args = (*args, kwargs)
        return self

    def _send(self, datagram: str) -> None:
        self.extend(datagram.split("\n"))

    def close(self) -> None:
        """Nothing is open."""

    def names(self, client: Client) -> list[str]:
        """Return the names of the metrics sent so far, without prefix."""
        client._client.flush()
        return [line.partition(":")[0].removeprefix("prefix.") for line in self]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Package:
    package = Package()
    monkeypatch.setattr(statsd, "statsd_module", package)
    return package


@pytest.fixture
def client(sent: Package) -> Client:
    return statsd.Client("host", 1234, "prefix")


class Backend:
    """Has methods of every kind."""

    state = 0

    def __init__(self) -> None:
        self.own = self.read
        self.callable = functools.partial(int, "3")

    def read(self, number: int = 2) -> Any:
        return number

    def fail(self) -> None:
        raise KeyError("secret")

    def recurse(self, depth: Any) -> Any:
        return depth and self.recurse(depth - 1)

    @classmethod
    def of_class(cls) -> Any:
        return cls.state

    @staticmethod
    def of_nobody() -> str:
        return "static"

    @property
    def costly(self) -> None:
        raise AssertionError("a property is not to be evaluated")

    def _private(self) -> str:
        return "private"


@pytest.mark.clause("P-28.1", "P-35.17")
def test_a_client_has_an_address_and_a_prefix(client: Client, sent: Package) -> None:
    assert sent.args == ("host", 1234, {"prefix": "prefix"})


@pytest.mark.clause("P-28.1", "P-28.4")
def test_counts_are_increments_or_members_of_a_set(client: Client, sent: Package) -> None:
    client.count("users")
    client.count("users", unique="bob")

    client._client.flush()
    assert sent == ["prefix.users:1|c", "prefix.users:bob|s"]


@pytest.mark.clause("P-28.1", "P-28.4")
def test_a_timer_is_a_context_manager_and_a_decorator(client: Client, sent: Package) -> None:
    @client.timer("function")
    def double(number: Any) -> Any:
        """Double."""
        return 2 * number

    with client.timer("block"):
        assert double(3) == 6

    assert double.__doc__ == "Double."
    assert sent.names(client) == ["function", "block"]
    assert all(re.fullmatch(r"prefix\.\w+:\d+\.\d{6}\|ms", line) for line in sent)


@pytest.mark.clause("P-28.1")
def test_overlapping_calls_are_timed_apart(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(
        client._client, "timing", lambda key, milliseconds: sent.append(milliseconds)
    )
    clock = types.SimpleNamespace(perf_counter=iter([0, 1, 2, 4]).__next__)
    monkeypatch.setattr("cliquet.monitoring.statsd.time", clock)

    @client.timer("function")
    def recurse(depth: Any) -> Any:
        return depth and recurse(depth - 1)

    recurse(1)

    assert sent == [1000, 4000]


@pytest.mark.clause("P-28.1", "P-34.25")
def test_public_methods_of_a_watched_object_are_timed(client: Client, sent: Package) -> None:
    backend = Backend()

    client.watch_execution_time(backend, prefix="storage")
    results = [backend.read(number=5), backend.of_class(), backend.own(), backend.recurse(1)]
    others = [backend.of_nobody(), backend._private(), backend.callable()]
    with pytest.raises(KeyError):
        backend.fail()

    assert results == [5, 0, 2, 0]
    assert others == ["static", "private", 3]
    assert sent.names(client) == [
        "storage.backend.read",
        "storage.backend.of_class",
        "storage.backend.own",
        "storage.backend.recurse",
        "storage.backend.recurse",
        "storage.backend.fail",
    ]


@pytest.mark.clause("P-28.1")
def test_only_the_watched_instance_is_timed(client: Client, sent: Package) -> None:
    watched = Backend()

    client.watch_execution_time(watched, classname="other")
    Backend().read()
    watched.read()

    assert sent.names(client) == ["other.read"]


@pytest.mark.clause("P-28.2", "S-20.5")
def test_code_counts_through_the_request_if_metrics_are_on(client: Client, sent: Package) -> None:
    on = types.SimpleNamespace(registry=types.SimpleNamespace(statsd=client))
    off = types.SimpleNamespace(registry=types.SimpleNamespace(statsd=None))
    without = types.SimpleNamespace(registry=types.SimpleNamespace())

    for request in (on, off, without):
        statsd.statsd_count(request, "plugin.called")

    assert sent.names(client) == ["plugin.called"]


def config(**settings: Any) -> Any:
    return Configurator(settings={**DEFAULT_SETTINGS, **settings})


@pytest.mark.clause("P-28.3", "S-20.1", "S-20.2", "P-35.19")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"project_name": "mush"}, ("metrics", 99, "mush")),
        ({"statsd_prefix": "given"}, ("metrics", 99, "given")),
        ({"project_name": "mush", "statsd_prefix": "given"}, ("metrics", 99, "mush")),
        ({"statsd_url": "udp://u:p@metrics/path?a=b"}, ("metrics", 8125, "cliquet")),
    ],
)
def test_settings_describe_the_client(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    # Tests of applications replace the class.
    monkeypatch.setattr(statsd, "Client", lambda *args: args)

    loaded = statsd.load_from_config(config(**{"statsd_url": "udp://metrics:99", **settings}))

    assert loaded == expected


@pytest.mark.clause("S-20.1")
@pytest.mark.parametrize("url", ["metrics:99", "udp://metrics:port", "udp://:99"])
def test_a_url_without_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="statsd_url"):
        statsd.load_from_config(config(statsd_url=url))


@pytest.mark.clause("P-28.3", "P-35.17", "S-20.1")
def test_without_the_package_a_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statsd, "statsd_module", None)

    with pytest.raises(ConfigurationError, match=r"pip install cliquet\[statsd\]"):
        statsd.load_from_config(config(statsd_url="udp://metrics:99"))
