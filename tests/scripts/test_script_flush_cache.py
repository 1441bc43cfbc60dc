"""``cliquet flush-cache`` on every cache that a command can reach."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes.backends import fresh_backends
from pyramid.config import Configurator
from servers.memcached import running_memcached

from cliquet.initialization import initialize
from scripts.command_line import MEMORY, run_process, write_ini

WITHOUT = {name: value for name, value in MEMORY.items() if name != "cache_backend"}


@contextlib.contextmanager
def cache_settings(family: Any) -> Iterator[dict[Any, Any]]:
    """Give the settings of an empty cache."""
    if family == "memcached":
        with running_memcached() as host:
            yield {**WITHOUT, "cache_backend": "cliquet.cache.memcached", "cache_hosts": host}
    else:
        with fresh_backends(family, None) as settings:
            yield {**WITHOUT, **{k: settings[k] for k in ("cache_backend", "cache_url")}}


@contextlib.contextmanager
def loaded(settings: Any) -> Iterator[Any]:
    """Give a cache, and close its connections in the end where collectors do not."""
    config = Configurator(settings=dict(settings))
    initialize(config, version="1.0", project_name="service")
    cache = config.registry.cache
    cache.initialize_schema()
    yield cache
    if "cache_hosts" in settings:
        cache._client.close()


@pytest.mark.clause("B-21.40", "E-7.2")
@pytest.mark.parametrize("family", ["redis", "memcached"])
@pytest.mark.usefixtures("processes")
def test_the_cache_is_emptied(tmp_path: Path, family: str) -> None:
    with cache_settings(family) as settings, loaded(settings) as cache:
        cache.set("key", "value", ttl=60)

        # In a process of its own, which closes its connections.
        outcome = run_process("flush-cache", "--ini", write_ini(tmp_path / "f.ini", settings))

        assert outcome.code == 0, outcome.err
        assert (outcome.out, outcome.err) == ("", "")
        assert cache.get("key") is None


@pytest.mark.clause("B-21.40", "E-7.2", "B-22.28")
@pytest.mark.setting("cache_prefix")
def test_the_entries_of_another_prefix_stay(
    cliquet: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cache_settings("sqlite") as settings:
        ours, theirs = {**settings, "cache_prefix": "a"}, {**settings, "cache_prefix": "b"}
        with loaded(ours) as our_cache, loaded(theirs) as their_cache:
            for cache in (our_cache, their_cache):
                cache.set("key", "value", ttl=60)
            # What was logged here, by no application: the tables are made.
            capsys.readouterr()

            outcome = cliquet("flush-cache", "--ini", write_ini(tmp_path / "f.ini", ours))

            assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
            assert (our_cache.get("key"), their_cache.get("key")) == (None, "value")


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (WITHOUT, "the service has no cache: its setting cache_backend is empty"),
        (MEMORY, "the cache is in the memory of each process of the service: start them again"),
    ],
)
def test_what_cannot_be_emptied_is_told(
    cliquet: Callable[..., Any], tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    outcome = cliquet("flush-cache", "--ini", write_ini(tmp_path / "f.ini", settings))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"cliquet flush-cache: {told}\n"
