"""What cannot be the key of anything that is stored is refused before a backend is asked."""

from typing import Any
from urllib.parse import quote

import pytest
from support.shared_apps import make_app
from support.sharing import BODY, UNKNOWN_ID, make_sharing_app
from webtest import TestApp

from cliquet import resource, utils
from cliquet.testing.web import basic_auth

HEADERS = basic_auth("mat")
LIMIT = utils.MAX_KEY_BYTES
IMPOSSIBLE = ["x" * (LIMIT + 1), "%C3%A9" * (LIMIT // 2 + 1), "a%00b"]


class Leaf(resource.UserResource):
    """Records below a parent that the URL names."""

    def get_parent_id(self, request: Any) -> str:
        return f"{super().get_parent_id(request)}:{request.matchdict['tree']}"


@pytest.fixture
def trees() -> TestApp:
    paths = {
        "collection_path": "/trees/{{tree}}/leaves",
        "record_path": "/trees/{{tree}}/leaves/{{id}}",
    }
    return make_app([(Leaf, paths)])


@pytest.mark.clause("D-14", "B-22.27", "P-11.1")
@pytest.mark.parametrize("tree", IMPOSSIBLE)
def test_a_parent_that_cannot_be_stored_is_not_found(trees: TestApp, tree: str) -> None:
    url = f"/v0/trees/{tree}/leaves"

    trees.get(url, headers=HEADERS, status=404)
    trees.post_json(url, {"data": {}}, headers=HEADERS, status=404)
    trees.delete(url, headers=HEADERS, status=404)


@pytest.mark.clause("E-23.2")
@pytest.mark.parametrize(("tree", "status"), [("a%1F0/4", 404), ("a%1F0", 200), ("a/0/4", 200)])
def test_no_parent_has_the_name_of_a_shard(tree: str, status: int) -> None:
    path = "/trees/{{tree:.+}}/leaves"
    trees = make_app([(Leaf, {"collection_path": path, "record_path": f"{path}/{{{{id}}}}"})])

    trees.get(f"/v0/trees/{tree}/leaves", headers=HEADERS, status=status)
    trees.post_json("/v0/trees/a%1F0/4/leaves", {"data": {}}, headers=HEADERS, status=404)


@pytest.mark.clause("D-14", "P-11.1")
def test_a_long_parent_is_one_like_the_others(trees: TestApp) -> None:
    url = f"/v0/trees/{'x' * (LIMIT - 100)}/leaves"

    created = trees.post_json(url, {"data": {}}, headers=HEADERS, status=201).json["data"]

    assert trees.get(url, headers=HEADERS).json["data"] == [created]


class AnyId:
    """A generator that takes every id."""

    def __call__(self) -> str:
        return "a"

    def match(self, record_id: Any) -> bool:
        return True


@pytest.mark.clause("H-7.8", "B-22.27")
@pytest.mark.parametrize("record_id", IMPOSSIBLE)
def test_an_id_that_cannot_be_stored_is_invalid(trees: TestApp, record_id: str) -> None:
    trees.app.registry.id_generator = AnyId()
    url = f"/v0/trees/oak/leaves/{record_id}"

    for method in ("get", "delete"):
        getattr(trees, method)(url, headers=HEADERS, status=400)
    trees.put_json(url, {"data": {}}, headers=HEADERS, status=400)
    trees.patch_json(url, {"data": {}}, headers=HEADERS, status=400)


@pytest.mark.clause("D-48", "B-22.37", "H-5.17")
@pytest.mark.parametrize("forest", IMPOSSIBLE)
def test_nobody_has_been_given_anything_on_an_impossible_object(forest: str) -> None:
    app = make_sharing_app()

    for method in ("get", "delete"):
        getattr(app, method)(f"/v0/forests/{forest}/caps", headers=HEADERS, status=(403, 404))
    app.post_json(
        f"/v0/forests/{forest}/caps", {"data": {"name": "x"}}, headers=HEADERS, status=(403, 404)
    )


@pytest.mark.clause("H-24.2", "B-22.37")
def test_a_principal_that_cannot_be_stored_is_refused() -> None:
    app = make_sharing_app({"cap_create_principals": "system.Authenticated"})
    body = {"data": {"name": "x"}, "permissions": {"read": ["x" * (LIMIT + 1)]}}

    response = app.post_json("/v0/forests/a/caps", body, headers=HEADERS, status=400)

    assert "Longer than 512 bytes" in response.json["message"]
    body["permissions"] = {"read": ["x" * LIMIT]}
    app.post_json("/v0/forests/a/caps", body, headers=HEADERS, status=201)


OPEN = {
    "cap_create_principals": "system.Authenticated",
    "userid_hmac_secret": "b4c96a",
}
# `/forests/<forest>/caps/<36 characters>`.
AROUND = len("/forests/") + len("/caps/") + len(UNKNOWN_ID)


@pytest.mark.clause("B-22.37", "H-5.10")
@pytest.mark.parametrize("character", ["x", "é"])
def test_a_record_that_nobody_could_be_given_is_not_created(character: str) -> None:
    app = make_sharing_app(OPEN)
    size = len(character.encode())
    longest = character * ((LIMIT - AROUND) // size)
    for forest, is_short in ((longest, True), (longest + character, False), ("x" * 490, False)):
        path = f"/v0/forests/{quote(forest)}/caps"
        attempts = [
            lambda path=path: app.post_json(path, BODY, headers=HEADERS, expect_errors=True),
            lambda path=path: app.put_json(
                f"{path}/{UNKNOWN_ID}", BODY, headers=HEADERS, expect_errors=True
            ),
            lambda path=path: app.post_json(
                path,
                {"data": {**BODY["data"], "id": UNKNOWN_ID[:-1] + "2"}},
                headers=HEADERS,
                expect_errors=True,
            ),
        ]
        for attempt in attempts:
            response = attempt()
            if is_short:
                assert response.status_code == 201
                url = f"{path}/{response.json['data']['id']}"
                # Who made it has all rights on it, as anywhere.
                app.get(url, headers=HEADERS, status=200)
                app.patch_json(url, BODY, headers=HEADERS, status=200)
                app.delete(url, headers=HEADERS, status=200)
            else:
                assert response.status_code == 400
                assert "longer than 512 bytes" in response.json["message"]
        if not is_short:
            app.get(f"{path}/{UNKNOWN_ID}", headers=HEADERS, status=(403, 404))
            _, total = app.app.registry.storage.get_all("cap", f"/forests/{forest}")
            assert total == 0


@pytest.mark.clause("B-22.37", "H-25.12")
def test_in_a_batch_it_is_refused_alone() -> None:
    app = make_sharing_app(OPEN)
    requests = [
        {"method": "POST", "path": f"/forests/{forest}/caps", "body": BODY}
        for forest in ("x" * 490, "oak")
    ]

    answers = app.post_json("/v0/batch", {"requests": requests}, headers=HEADERS).json["responses"]

    assert [answer["status"] for answer in answers] == [400, 201]
