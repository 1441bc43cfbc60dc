"""What code of an application finds in a request that it keeps after the response."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyramid.events import ContextFound, NewRequest
from pyramid.request import Request
from support.garbage import uncollected
from support.shared_apps import make_app
from support.sharing import URL, Toadstool, store
from webtest import TestApp

from cliquet.security.authorization import RouteFactory
from cliquet.testing.bounded import Threads
from cliquet.testing.web import basic_auth
from cliquet.web import attempts

USER = basic_auth()
SETTINGS = {
    # Without this, requests are those of Pyramid, and keep what it keeps.
    "compiled_endpoints": "true",
    "toadstool_create_principals": "system.Authenticated",
    "toadstool_read_principals": "system.Authenticated",
}


class Kept:
    """What a subscriber has kept of the last request."""

    request: Any = None
    root: Any = None
    keeps_root = False
    at_the_end: Any = None


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def make(kept: Kept) -> Callable[..., TestApp]:
    def made(resources: Any = (Toadstool,), more: Any = lambda config: None) -> TestApp:
        def on_request(event: Any) -> None:
            def at_the_end(request: Request) -> None:
                error = request.exception
                kept.at_the_end = None if error is None else error.__traceback__ is not None

            kept.request = event.request
            event.request.add_finished_callback(at_the_end)

        def on_context(event: Any) -> None:
            kept.root = event.request.root if kept.keeps_root else weakref.ref(event.request.root)

        def configure(config: Any) -> None:
            config.add_subscriber(on_request, NewRequest)
            config.add_subscriber(on_context, ContextFound)
            more(config)

        return make_app(resources, settings=SETTINGS, configure=configure)

    return made


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the setting count, whichever way the other tests go (``make uncompiled``)."""
    monkeypatch.delenv("CLIQUET_COMPILED_ENDPOINTS", raising=False)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    with uncollected():
        yield


def read(request: Any) -> tuple[Any, ...]:
    root = request.root
    return (
        root,
        request.virtual_root,
        root.resource_name,
        root.required_permission,
        root.permission_object_id,
        root.permits_on("any", "read"),
        request.errors,
        request.registry,
        request.matchdict,
    )


@pytest.mark.clause("P-25.6")
def test_a_thread_that_keeps_a_request_finds_its_root(
    make: Callable[..., TestApp], kept: Kept
) -> None:
    app = make()
    record = store(app)
    app.get(record["url"], headers=USER, status=200)
    assert kept.root() is None

    with Threads(1) as threads:
        found = threads.submit(read, kept.request).result()

    assert isinstance(found[0], RouteFactory)
    assert found[0] is found[1] is kept.request.root
    uri = record["url"].removeprefix("/v0")
    assert found[2:6] == ("toadstool", "read", uri, True)
    assert list(found[6]) == []
    assert found[7].settings is app.app.registry.settings
    assert found[8] == {"id": record["id"]}


@pytest.mark.clause("P-25.6")
def test_a_root_that_somebody_has_kept_is_the_same(
    make: Callable[..., TestApp], kept: Kept
) -> None:
    kept.keeps_root = True
    make().get(URL, headers=USER, status=200)

    assert kept.request.root is kept.request.virtual_root is kept.root
    # It knows its request, whoever else has let that go.
    kept.request = None
    gc.collect()
    assert kept.root.get_prefixed_userid().startswith("basicauth:")


@pytest.mark.clause("P-25.6")
def test_another_virtual_root_stays(make: Callable[..., TestApp], kept: Kept) -> None:
    kept.keeps_root = True
    make().get(URL, headers=USER, status=200)
    other = object()
    attributes = {"root": kept.root, "virtual_root": other}

    attempts._break_cycles(attributes)

    assert attributes.pop("virtual_root") is other
    assert "root" not in attributes


@pytest.mark.clause("P-25.6")
def test_a_root_of_the_application_stays_where_it_is(
    make: Callable[..., TestApp], kept: Kept
) -> None:
    class Root:
        pass

    def more(config: Any) -> None:
        config.set_root_factory(lambda request: Root())
        config.add_route("own", "/own", factory=lambda request: Root())
        config.add_view(lambda request: {}, route_name="own", renderer="json")

    app = make(more=more)
    kept.keeps_root = True
    app.get("/v0/own", headers=USER, status="*")

    assert kept.request.__dict__["root"] is kept.root
    assert isinstance(kept.root, Root)


def test_a_request_without_root_has_none(make: Callable[..., TestApp], kept: Kept) -> None:
    app = make()
    app.get("/v0/", headers=USER)
    request = type(kept.request)({})

    assert not hasattr(request, "root")
    assert type(request).root.__class__.__name__ == "FormerRoot"


@pytest.mark.clause("H-10.6")
def test_callbacks_see_the_traceback_of_a_304_and_nothing_keeps_it(
    make: Callable[..., TestApp], kept: Kept
) -> None:
    app = make()
    etag = app.get(URL, headers=USER, status=200).headers["ETag"]
    assert kept.at_the_end is None
    former = weakref.ref(kept.request)

    app.get(URL, headers={**USER, "If-None-Match": etag}, status=304)

    assert kept.at_the_end is True
    assert former() is None
    former = weakref.ref(kept.request)
    kept.request = None
    assert former() is None
