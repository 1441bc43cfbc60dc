"""A timestamp that the application makes is the one that clients get, and that conditions mean."""

from typing import Any

import colander
import pytest
from support.shared_apps import make_app

from cliquet import resource
from cliquet.resource import Model, ShareableModel
from cliquet.testing.web import basic_auth

ALICE, BOB = basic_auth("alice"), basic_auth("bob")


class Schema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String(), missing="")


def in_seconds(timestamp: int) -> int:
    return timestamp // 1000 * 1000


class Rounding(Model):
    def timestamp(self, parent_id: str | None = None) -> int:
        return in_seconds(super().timestamp(parent_id))


class RoundingShared(ShareableModel):
    def timestamp(self, parent_id: str | None = None) -> int:
        return in_seconds(super().timestamp(parent_id))


class Own(resource.UserResource):
    mapping = Schema()
    default_model = Rounding


class Shared(resource.ShareableResource):
    mapping = Schema()
    default_model = RoundingShared


class OnResource(resource.UserResource):
    mapping = Schema()

    @property
    def timestamp(self) -> int:
        return in_seconds(super().timestamp)


RESOURCES = [Own, Shared, OnResource]


@pytest.mark.clause("P-9.13", "P-13.6", "H-14.13")
@pytest.mark.parametrize("cls", RESOURCES)
def test_conditions_are_judged_by_the_timestamp_of_the_application(cls: Any) -> None:
    name = cls.__name__.lower()
    app = make_app(RESOURCES, settings={"shared_create_principals": "system.Authenticated"})
    for backend in (app.app.registry.storage, app.app.registry.permission):
        backend.flush()
    bob = app.get("/v0/", headers=BOB).json["user"]["id"]
    is_shared = cls is Shared
    body: dict[str, Any] = {"data": {}}
    if is_shared:
        body["permissions"] = {"read": [bob]}
    url = f"/v0/{name}s"
    app.post_json(url, body, headers=ALICE)
    reader = BOB if is_shared else ALICE

    etag = app.get(url, headers=reader).headers["ETag"]

    assert etag.endswith('000"')
    for condition, status in (("If-Match", 200), ("If-None-Match", 304)):
        answer = app.get(url, headers={**reader, condition: etag}, status=status)
        assert answer.headers["ETag"] == etag
