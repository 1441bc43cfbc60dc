"""What a shop is told, and that nobody waits for it."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

import pytest
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth
from pyramid.exceptions import ConfigurationError
from webtest import TestApp

import parcels
import webhook

ALICE = basic_auth("alice", "secret")
SECRET = "shared with the shop"
# Nobody listens there.
NOBODY = "http://localhost:1/"
SECONDS = 10


class Shop(NamedTuple):
    """A receiver that really listens."""

    url: str
    told: queue.Queue[tuple[bytes, str]]

    def next(self) -> Any:
        """Return the next change, whose signature is checked."""
        body, signature = self.told.get(timeout=SECONDS)
        assert signature == webhook.signature(SECRET.encode(), body)
        return json.loads(body)


@pytest.fixture
def shop() -> Iterator[Shop]:
    told: queue.Queue[tuple[bytes, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.put((body, self.headers["X-Signature"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("localhost", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Shop(f"http://localhost:{server.server_port}/", told)
        server.shutdown()
        thread.join(SECONDS)


def made(url: str, **settings: str) -> TestApp:
    prefix = "event_listeners.shop."
    chosen = {
        "use": "webhook",
        "url": url,
        "secret": SECRET,
        "actions": "create update",
        **settings,
    }
    return TestApp(
        parcels.main(
            {},
            userid_hmac_secret="of the tests",
            event_listeners="shop",
            **{f"{prefix}{name}": value for name, value in chosen.items()},
            **MEMORY_BACKENDS,
        )
    )


def send_parcel(app: TestApp, address: str = "1 Main Street") -> str:
    body = {"data": {"address": address}}
    parcel = app.post_json("/v1/parcels", body, headers=ALICE, status=201).json["data"]
    return f"/v1/parcels/{parcel['id']}"


def test_the_shop_is_told_of_what_is_new_and_of_what_moves(shop: Shop) -> None:
    app = made(url=shop.url)
    url = send_parcel(app)
    app.patch_json(url, {"data": {"state": "delivered"}}, headers=ALICE)

    created, updated = shop.next(), shop.next()

    assert (created["action"], updated["action"]) == ("create", "update")
    assert updated["uri"] == url.removeprefix("/v1")
    (record,) = updated["records"]
    assert (record["old"]["state"], record["new"]["state"]) == ("packed", "delivered")


def test_the_shop_is_told_of_nothing_that_is_refused_or_undone(shop: Shop) -> None:
    app = made(url=shop.url)
    app.post_json("/v1/parcels", {"data": {}}, headers=ALICE, status=400)
    url = send_parcel(app)
    app.delete(url, headers=ALICE)
    send_parcel(app, "2 Main Street")

    addresses = [shop.next()["records"][0]["new"]["address"] for _ in range(2)]

    # Deletions are none of the actions in the settings.
    assert addresses == ["1 Main Street", "2 Main Street"]


def test_nobody_waits_for_a_shop_that_is_down(caplog: pytest.LogCaptureFixture) -> None:
    app = made(url=NOBODY)
    with caplog.at_level(logging.ERROR, logger="webhook"):
        send_parcel(app)
        deadline = time.monotonic() + SECONDS
        while not caplog.records:
            assert time.monotonic() < deadline, "the loss is not logged"
            time.sleep(0.01)

    assert "is lost" in caplog.text
    assert SECRET not in caplog.text


def test_what_a_slow_shop_misses_has_a_bound(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "MAX_WAITING", 1)
    monkeypatch.setattr(webhook.Webhook, "_start", lambda self: None)
    app = made(url=NOBODY)

    with caplog.at_level(logging.ERROR, logger="webhook"):
        send_parcel(app)
        send_parcel(app)

    assert "too slow" in caplog.text


@pytest.mark.parametrize(
    ("setting", "value"),
    [("url", ""), ("url", "localhost"), ("secret", ""), ("timeout_seconds", "soon")],
)
def test_the_service_does_not_start_without_what_the_listener_needs(
    setting: str, value: str
) -> None:
    with pytest.raises((ConfigurationError, ValueError), match=f"shop.{setting}"):
        made(**{"url": NOBODY, setting: value})
