"""What a request that creates a record may be answered (H-16.7, H-19.8)."""

from typing import Any

import pytest
from pyramid.config import Configurator
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet.storage.exceptions import BackendError
from cliquet.testing.faults import FaultyBackend

POST = ("POST", "/v0/mushrooms")
PUT = ("PUT", "/v0/mushrooms/6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50")
CEP = b'{"data": {"name": "cep"}}'

in_both_ways = pytest.mark.parametrize(("method", "url"), [POST, PUT], ids=["POST", "PUT"])


class Refuse:
    """An authorization policy of an application that lets nobody in."""

    def permits(self, context: object, principals: object, permission: str) -> bool:
        return False

    def principals_allowed_by_permission(self, context: object, permission: str) -> None:
        raise NotImplementedError


@pytest.fixture
def headers(headers: dict[str, str]) -> dict[str, str]:
    return {**headers, "Content-Type": "application/json"}


@pytest.mark.clause("H-16.7", "H-19.8")
@in_both_ways
@pytest.mark.parametrize(
    ("status", "changes", "body"),
    [
        (201, {}, CEP),
        (400, {}, b'{"data": {}}'),
        (401, {"Authorization": ""}, CEP),
        (406, {"Accept": "text/html"}, CEP),
        (412, {"If-Match": '"5"'}, CEP),
        (415, {"Content-Type": "text/plain"}, CEP),
    ],
)
def test_a_creation_may_be_answered(
    app: TestApp,
    headers: dict[str, str],
    method: str,
    url: str,
    status: int,
    changes: dict[str, str],
    body: bytes,
) -> None:
    headers = {**headers, **changes}

    response = app.request(url, method=method, body=body, headers=headers, expect_errors=True)

    assert response.status_code == status


@pytest.mark.clause("H-16.7", "H-19.8")
@pytest.mark.parametrize(
    ("method", "url", "endpoint"),
    [(*POST, "collection_mushroom_post"), (*PUT, "record_mushroom_put")],
    ids=["POST", "PUT"],
)
def test_settings_refuse_a_creation(
    headers: dict[str, str], method: str, url: str, endpoint: str
) -> None:
    refusing = {"multiauth.authorization_policy": f"{__name__}.Refuse"}
    for status, settings in [(403, refusing), (405, {f"{endpoint}_enabled": "false"})]:
        app = make_app([Mushroom], settings=settings)

        app.request(url, method=method, body=CEP, headers=headers, status=status)


@pytest.mark.clause("H-16.7", "H-19.8", "H-26.8")
@in_both_ways
def test_a_creation_without_storage_is_503(headers: dict[str, str], method: str, url: str) -> None:
    def fail_to_create(**_: Any) -> None:
        raise BackendError(original=OSError("out of order"))

    def configure(config: Configurator) -> None:
        config.registry.storage = FaultyBackend(config.registry.storage, create=fail_to_create)

    app = make_app([Mushroom], configure=configure)

    response = app.request(url, method=method, body=CEP, headers=headers, status=503)

    assert response.json["errno"] == 201
    assert response.headers["Retry-After"] == "30"
