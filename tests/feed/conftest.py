"""Applications with tokens, whose streams give signs of life often enough for tests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.shared_apps import make_app
from support.sharing import Amanita
from support.streams import FeedOnLoop, LocalStream, LoopStream
from testapp import Spore

from cliquet.feed import answers, stopping, stream
from cliquet.testing import web
from cliquet.testing.web import basic_auth

SETTINGS = {
    "sync_enabled": "true",
    "amanita_create_principals": "system.Authenticated",
    "feed_recheck_seconds": "1",
}


@pytest.fixture(autouse=True)
def in_a_hurry() -> Iterator[None]:
    """Let the threads of tests notice within moments that they are not wanted any more.

    All tests have these patches, which therefore do not keep them from sharing applications.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.2)
        patch.setattr(answers, "_PATIENCE_SECONDS", 0.05)
        patch.setattr(stopping, "_is_begun", False)
        yield


@pytest.fixture
def make() -> Callable[..., Any]:
    """Makes a client of an application with user and shareable records."""

    def made(**settings: Any) -> Any:
        # Counts are those of one test.
        maker = web.make_app if "prometheus_enabled" in settings else make_app
        return maker([Spore, Amanita], settings={**SETTINGS, **settings})

    return made


@pytest.fixture
def live_app(make: Callable[..., Any]) -> Any:
    return make()


@pytest.fixture
def feed_of() -> Iterator[Callable[[Any], FeedOnLoop]]:
    """Gives the feed of an application on an event loop."""
    feeds: dict[int, FeedOnLoop] = {}

    def found(app: Any) -> FeedOnLoop:
        if id(app) not in feeds:
            feeds[id(app)] = FeedOnLoop(app)
        return feeds[id(app)]

    yield found
    for feed in feeds.values():
        feed.close()


@pytest.fixture(params=["threads", "loop"])
def stream_of(
    request: Any, live_app: Any, feed_of: Callable[[Any], FeedOnLoop]
) -> Iterator[Callable[..., LocalStream | LoopStream]]:
    """Opens streams in threads or on a loop, which are closed in the end."""
    opened: list[LocalStream | LoopStream] = []

    def begin(
        path: str, user: str | None = "mat", app: Any = None, headers: Any = None
    ) -> LocalStream | LoopStream:
        sent = {**(basic_auth(user) if user else {}), **(headers or {})}
        if request.param == "threads":
            opened.append(LocalStream(app or live_app, path, sent))
        else:
            opened.append(LoopStream(feed_of(app or live_app), path, sent))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()
