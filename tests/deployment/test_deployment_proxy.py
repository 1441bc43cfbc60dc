"""The example service behind nginx, with the site file of the documentation."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from processes.client import Answer
from servers.nginx import running_nginx
from servers.processes import free_port

from deployment.service import (
    DEPLOY,
    GUNICORN,
    MUSHROOMS,
    USER,
    Service,
    deployed,
    on_sqlite,
)

HOST = "mushrooms.example.com"
PUBLIC = f"https://{HOST}"


class Proxy:
    """nginx in front of a service; requests to it name the public host."""

    def __init__(self, tls_port: Any, plain_port: Any) -> None:
        self.tls_port = tls_port
        self.plain_port = plain_port

    def send(
        self, method: str, path: str, body: Any = None, *, is_encrypted: bool = True, **headers: Any
    ) -> Any:
        content = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.plain_port, timeout=60)
        if is_encrypted:
            # Nobody signed the certificate.
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.tls_port, timeout=60, context=context
            )
        sent = {"Host": HOST, **USER, "Content-Type": "application/json", **headers}
        connection.request(method, path, content, sent)
        response = connection.getresponse()
        lowered = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, lowered, response.read())
        connection.close()
        return answer

    def public_urls(self) -> set[Any]:
        """Return the scheme and host of each kind of URL that the service writes."""
        for _ in range(2):
            self.send("POST", MUSHROOMS, {"data": {"name": "Morel"}})
        page = self.send("GET", f"{MUSHROOMS}?_limit=1")
        unversioned = self.send("GET", "/mushrooms?_limit=1")
        slash = self.send("GET", f"{MUSHROOMS}/")
        urls = [
            (self.send("GET", "/v1/").json["url"], "/v1/"),
            (page.headers["next-page"], f"{MUSHROOMS}?"),
            (unversioned.headers["location"], f"{MUSHROOMS}?_limit=1"),
            (slash.headers["location"], MUSHROOMS),
        ]
        assert (unversioned.status, slash.status) == (307, 307)
        return {url[: url.index(path)] for url, path in urls}


@contextlib.contextmanager
def running_proxy(port: Any, replacements: Any = ()) -> Iterator[Any]:
    """Start nginx with the site file in front of a port, and give a `Proxy`."""
    site = (DEPLOY / "nginx.conf").read_text()
    upstream = {"server 127.0.0.1:8000 ": f"server 127.0.0.1:{port} "}
    with running_nginx(site, {**upstream, **dict(replacements)}) as ports:
        yield Proxy(*ports)


@pytest.fixture(scope="module")
def service(processes: None) -> Iterator[Any]:
    with deployed(GUNICORN.alone()) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(service: Any) -> Iterator[Any]:
    with running_proxy(service.port) as running:
        yield running


@pytest.mark.clause("H-32.1", "H-14.12", "S-8.8", "S-8.9")
def test_urls_are_those_of_the_proxy(proxy: Proxy) -> None:
    assert proxy.public_urls() == {PUBLIC}


@pytest.mark.clause("H-14.12")
def test_pages_are_followed_through_the_proxy(proxy: Proxy) -> None:
    for name in "abc":
        proxy.send("POST", MUSHROOMS, {"data": {"name": name}})
    found, url = [], f"{PUBLIC}{MUSHROOMS}?_limit=2&in_name=a,b,c"
    while url:
        page = proxy.send("GET", url.removeprefix(PUBLIC))
        found += [record["name"] for record in page.data]
        url = page.headers.get("next-page")
    assert sorted(found) == ["a", "b", "c"]


def test_what_comes_unencrypted_is_sent_to_the_encrypted_service(proxy: Proxy) -> None:
    answer = proxy.send("GET", f"{MUSHROOMS}?_limit=1", is_encrypted=False)
    assert (answer.status, answer.headers["location"]) == (308, f"{PUBLIC}{MUSHROOMS}?_limit=1")


def test_a_client_does_not_choose_the_scheme(proxy: Any) -> None:
    answer = proxy.send("GET", "/v1/", **{"X-Forwarded-Proto": "http"})
    assert answer.json["url"] == f"{PUBLIC}/v1/"


@pytest.mark.clause("H-9.5")
def test_etags_come_through_unharmed(proxy: Any) -> None:
    # Something to compress.
    proxy.send("POST", MUSHROOMS, {"data": {"name": "x" * 1000}})
    etag = proxy.send("GET", MUSHROOMS, **{"Accept-Encoding": "gzip"}).headers["etag"]
    assert proxy.send("GET", MUSHROOMS, **{"If-None-Match": etag}).status == 304


def test_large_bodies_and_long_urls_come_through(proxy: Proxy) -> None:
    # The schema drops what it does not know, which is much longer than a record may be.
    body = {"data": {"name": "x" * 1_000_000, "unknown": "x" * 5_000_000}}
    large = proxy.send("POST", MUSHROOMS, body)
    assert large.status == 201
    proxy.send("DELETE", f"{MUSHROOMS}/{large.data['id']}")
    ids = ",".join(["8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"] * 200)
    assert proxy.send("GET", f"{MUSHROOMS}?in_id={ids}").status == 200


@pytest.mark.clause("H-26.1")
def test_a_body_that_is_too_large_is_refused_as_the_service_would(proxy: Proxy) -> None:
    answer = proxy.send("POST", MUSHROOMS, {"data": {"name": "x" * 11_000_000}})
    assert (answer.status, answer.json["errno"]) == (413, 113)


def test_metrics_are_not_for_the_public(proxy: Proxy) -> None:
    assert proxy.send("GET", "/__metrics__").status == 404


def assert_unavailable(answer: Any) -> None:
    assert answer.status == 503
    assert (answer.json["code"], answer.json["errno"]) == (503, 201)
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.clause("H-26.8", "H-27.3")
@pytest.mark.usefixtures("processes")
def test_a_service_that_is_down_is_answered_for() -> None:
    with running_proxy(free_port()) as proxy:
        assert_unavailable(proxy.send("GET", MUSHROOMS))


@pytest.mark.clause("H-26.8", "H-27.3")
def test_a_service_that_is_slow_is_answered_for(service: Service) -> None:
    with running_proxy(
        service.port, {"proxy_read_timeout 60s;": "proxy_read_timeout 200ms;"}
    ) as proxy:
        assert_unavailable(proxy.send("POST", MUSHROOMS, {"data": {"name": "slow"}}))
    service.release()


@pytest.mark.clause("S-8.4", "H-32.2")
@pytest.mark.setting("http_scheme", "http_host")
@pytest.mark.usefixtures("processes")
def test_settings_stand_in_for_a_proxy_that_names_neither_host_nor_scheme() -> None:
    lost = ("Host $host", "X-Forwarded-Proto $scheme")
    names = {"CLIQUET_HTTP_HOST": HOST, "CLIQUET_HTTP_SCHEME": "https"}
    with (
        deployed(GUNICORN.alone(), lambda folder: {**on_sqlite(folder), **names}) as service,
        running_proxy(
            service.port, {f"proxy_set_header {header};": "" for header in lost}
        ) as proxy,
    ):
        assert proxy.public_urls() == {PUBLIC}
