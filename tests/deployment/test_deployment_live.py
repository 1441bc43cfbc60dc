"""The live feed behind nginx, with the files of the documentation."""

import contextlib
import http.client
import re
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest
from servers.nginx import running_nginx
from support.busy import BUSY_SECONDS
from support.streams import Told

from deployment.service import DEPLOY, FEED, MUSHROOMS, SERVERS, USER, Service, deployed, on_sqlite

LOCATION = re.compile(r"    location / \{.*?\n    \}\n", re.DOTALL)
STREAM = f"{MUSHROOMS}?_sync="


def settings(folder: Any) -> dict[str, str]:
    return {**on_sqlite(folder), "CLIQUET_SYNC_ENABLED": "true", "CLIQUET_FEED_MAX_STREAMS": "1"}


@pytest.fixture(scope="module")
def proxy(processes: None) -> Iterator[tuple[int, int]]:
    """The TLS port of nginx, and the process of the feed."""
    site, live = ((DEPLOY / name).read_text() for name in ("nginx.conf", "nginx-live.conf"))
    (location,) = LOCATION.findall(live)
    top = live[: live.index("server {")]
    (former,) = LOCATION.findall(site)
    with deployed(SERVERS["gunicorn gthread"].alone(), settings) as service:
        feed = Service(service.folder, FEED, service.environment)
        feed.start()
        replacements = {
            "server 127.0.0.1:8000 ": f"server 127.0.0.1:{service.port} ",
            "server 127.0.0.1:8001;": f"server 127.0.0.1:{feed.port};",
        }
        with running_nginx(top + site.replace(former, location), replacements) as ports:
            assert feed.process is not None
            yield ports[0], feed.process.pid
        feed.stop()


def connect(port: int) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)


def send(port: int, method: str, path: str, body: Any = None, **headers: str) -> Any:
    with contextlib.closing(connect(port)) as connection:
        sent = {**USER, "Content-Type": "application/json", **headers}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        response.text = response.read()  # type: ignore[attr-defined]
        return response


@pytest.mark.clause("E-14.6")
def test_streams_come_through_the_proxy_at_once(proxy: tuple[int, int]) -> None:
    tls_port, _ = proxy
    streams = []
    # There are more than the service itself would serve, so that they are those of the feed.
    for _ in range(3):
        connection = connect(tls_port)
        connection.request("GET", STREAM, headers={**USER, "Accept": "text/event-stream"})
        response = connection.getresponse()
        assert response.status == 200
        streams.append((connection, response, Told()))
    send(tls_port, "POST", MUSHROOMS, '{"data": {"name": "Morel"}}')
    begin = time.monotonic()

    for connection, response, told in streams:
        while not told.items:
            told.receive(response.readline())
        connection.close()

    assert time.monotonic() - begin < BUSY_SECONDS


@pytest.mark.clause("E-14.1", "E-14.6")
def test_requests_that_wait_go_to_the_feed(proxy: tuple[int, int]) -> None:
    tls_port, process_id = proxy
    token = send(tls_port, "GET", STREAM).headers["Sync-Token"]

    answer = send(tls_port, "GET", f"{STREAM}{token}", Prefer="count=none, wait=1")

    assert answer.headers["Preference-Applied"].endswith("wait=1")
    assert answer.headers["X-Worker"] == str(process_id)
