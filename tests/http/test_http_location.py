"""The URL of a new record, in the header ``Location`` of its creation."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from support.shared_apps import make_app
from support.sharing import CAP, Toadstool, make_sharing_app
from testapp import Mushroom, Truffle
from webtest import TestApp

from cliquet.storage.generators import Generator
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("E-17.1", "H-16.1")

AUTH = basic_auth("owner")
CEP = {"data": {"name": "cep"}}
ID = "00000000-0000-4000-8000-000000000001"


class AnyId(Generator):
    """Ids with characters that URLs escape."""

    regexp = r"^.+$"

    def __call__(self) -> str:
        return "a b/é?#%"


def test_a_post_tells_the_url_of_the_record(app: TestApp) -> None:
    created = app.post_json("/v0/mushrooms", CEP, headers=AUTH, status=201)

    url = created.headers["Location"]
    assert url == f"http://localhost/v0/mushrooms/{created.json['data']['id']}"
    assert app.get(url, headers=AUTH).json["data"] == created.json["data"]


def test_a_put_that_creates_tells_its_own_url(app: TestApp) -> None:
    url = f"http://localhost/v0/mushrooms/{ID}"

    created = app.put_json(url, CEP, headers=AUTH, status=201)
    replaced = app.put_json(url, CEP, headers=AUTH, status=200)

    assert created.headers["Location"] == url
    assert "Location" not in replaced.headers


def test_what_creates_nothing_has_none(app: TestApp) -> None:
    known = {"data": {"name": "cep", "id": ID, "code": 1}}
    app.post_json("/v0/truffles", known, headers=AUTH, status=201)

    answers = [
        app.post_json("/v0/truffles", known, headers=AUTH, status=200),
        app.post_json("/v0/truffles", {"data": {"name": "x", "code": 1}}, headers=AUTH, status=200),
        app.post_json("/v0/truffles", {"data": {}}, headers=AUTH, status=400),
        app.patch_json(f"/v0/truffles/{ID}", {"data": {"name": "y"}}, headers=AUTH),
        app.delete(f"/v0/truffles/{ID}", headers=AUTH),
    ]

    assert not any("Location" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        ({}, {"HTTP_HOST": "api.example:8000"}, "http://api.example:8000"),
        ({}, {"HTTP_HOST": "api.example:80"}, "http://api.example"),
        ({}, {"HTTP_HOST": "[::1]:8000"}, "http://[::1]:8000"),
        ({}, {"HTTP_HOST": "api.example", "wsgi.url_scheme": "https"}, "https://api.example"),
        ({}, {"HTTP_HOST": "a.example:443", "wsgi.url_scheme": "https"}, "https://a.example"),
        ({"http_scheme": "https", "http_host": "pub.example:77"}, {}, "https://pub.example:77"),
        ({}, {"SCRIPT_NAME": "/caf\xc3\xa9 one"}, "http://localhost:80/caf%C3%A9%20one"),
    ],
)
def test_it_is_the_url_by_which_the_service_was_called(
    settings: dict[str, str], environ: dict[str, str], expected: str
) -> None:
    app = make_app([Mushroom], settings=settings)
    request = {"method": "POST", "path": "/mushrooms", "body": CEP}

    direct = app.post_json("/v0/mushrooms", CEP, headers=AUTH, extra_environ=environ)
    batch = app.post_json(
        "/v0/batch", {"requests": [request]}, headers=AUTH, extra_environ=environ
    ).json["responses"][0]
    listed = app.get("/v0/mushrooms?_limit=1", headers=AUTH, extra_environ=environ)

    collection = listed.headers["Next-Page"].partition("?")[0]
    assert collection == f"{expected.replace('localhost:80', 'localhost')}/v0/mushrooms"
    assert direct.headers["Location"] == f"{collection}/{direct.json['data']['id']}"
    assert batch["headers"]["Location"] == f"{collection}/{batch['body']['data']['id']}"


def test_ids_and_variables_are_escaped() -> None:
    app = make_sharing_app(
        settings={"id_generator": AnyId, "cap_create_principals": "system.Authenticated"}
    )
    # An id with a slash leads to no record, and must not lead to another one.
    created = app.post_json(f"/v0/forests/{quote('é *')}/caps", CEP, headers=AUTH, status=201)

    assert created.headers["Location"] == (
        "http://localhost/v0/forests/%C3%A9%20*/caps/a%20b%2F%C3%A9%3F%23%25"
    )


def test_records_may_be_elsewhere() -> None:
    paths = {"collection_path": "/{{place}}/all", "record_path": "/one/{{place}}/{{id}}"}
    app = make_app([(Mushroom, paths)])

    created = app.post_json("/v0/wood/all", CEP, headers=AUTH, status=201)

    url = created.headers["Location"]
    assert url == f"http://localhost/v0/one/wood/{created.json['data']['id']}"
    app.get(url, headers=AUTH, status=200)


def test_records_without_a_url_have_none() -> None:
    app = make_app([(Mushroom, {"record_methods": ()})])

    assert "Location" not in app.post_json("/v0/mushrooms", CEP, headers=AUTH).headers


@pytest.mark.parametrize("hook", ["process_record", "postprocess"])
def test_a_header_of_the_application_stays(hook: str) -> None:
    def own(self: Any, new: Any, *args: Any, **kwargs: Any) -> Any:
        self.request.response.headers["Location"] = "/elsewhere"
        return getattr(super(type(self), self), hook)(new, *args, **kwargs)

    app = make_app([type("Truffle", (Truffle,), {hook: own})])

    assert (
        app.post_json("/v0/truffles", CEP, headers=AUTH).headers["Location"].endswith("/elsewhere")
    )


def test_shared_records_have_it_too() -> None:
    app = make_sharing_app(
        settings={"toadstool_create_principals": "system.Authenticated"},
        resources=(Toadstool, CAP),
    )

    created = app.post_json("/v0/toadstools", CEP, headers=AUTH)

    assert app.get(created.headers["Location"], headers=AUTH).json == created.json
