"""Settings of features and redirections (S-6, S-8), versions, and timestamps of events."""

import random
from typing import Any

import pytest
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet.events import ResourceChanged
from cliquet.storage.generators import Generator
from cliquet.testing.web import basic_auth

AUTH = basic_auth()
COLLECTION = "/v0/mushrooms"


class Planets(Generator):
    """Ids from a list."""

    regexp = r"^(mercury|mars)$"

    def __call__(self) -> Any:
        return random.choice(["mercury", "mars"])


class Contradiction(Generator):
    """Refuses what it makes."""

    regexp = r"^b$"

    def __call__(self) -> str:
        return "a"


def create(app: TestApp, path: Any = COLLECTION) -> Any:
    return app.post_json(path, {"data": {"name": "cep"}}, headers=AUTH, status=201)


# Batch


@pytest.mark.clause("S-6.1", "H-3.3")
@pytest.mark.parametrize(("settings", "shown"), [({}, 25), ({"batch_max_requests": "5"}, 5)])
def test_the_hello_view_shows_how_much_a_batch_may_hold(
    settings: dict[str, Any], shown: int
) -> None:
    assert make_app(settings=settings).get("/v0/").json["settings"]["batch_max_requests"] == shown


# Pages


@pytest.mark.clause("S-6.2", "H-14.3")
@pytest.mark.setting("paginate_by")
@pytest.mark.parametrize(("query", "size"), [("", 2), ("?_limit=1", 1), ("?_limit=50", 2)])
def test_pages_have_the_size_of_the_setting_at_most(query: str, size: int) -> None:
    app = make_app([Mushroom], settings={"paginate_by": "2"})
    for _ in range(3):
        create(app)
    page = app.get(COLLECTION + query, headers=AUTH)
    assert len(page.json["data"]) == size
    assert "Next-Page" in page.headers


@pytest.mark.clause("S-6.2", "H-14.4")
@pytest.mark.parametrize("value", [None, 0, "0", ""])
def test_without_the_setting_lists_have_no_pages(value: int | str | None) -> None:
    app = make_app([Mushroom], settings={"paginate_by": value})
    for _ in range(3):
        create(app)
    page = app.get(COLLECTION, headers=AUTH)
    assert len(page.json["data"]) == 3
    assert "Next-Page" not in page.headers


@pytest.mark.clause("S-6.2")
def test_a_page_size_that_is_no_number_refuses_to_start() -> None:
    with pytest.raises(ValueError, match="paginate_by"):
        make_app(settings={"paginate_by": "many"})


# Ids


@pytest.mark.clause("S-6.3", "H-7.7")
def test_a_generator_makes_and_recognises_ids() -> None:
    settings = {"id_generator": f"{__name__}.Planets"}
    app = make_app([Mushroom], settings=settings)
    assert create(app).json["data"]["id"] in ("mercury", "mars")
    body = {"data": {"name": "x"}}
    app.put_json(f"{COLLECTION}/mars", body, headers=AUTH, status="20*")
    app.put_json(f"{COLLECTION}/venus", body, headers=AUTH, status=400)


@pytest.mark.clause("S-6.3")
def test_there_is_a_generator_without_storage() -> None:
    settings = {"id_generator": f"{__name__}.Planets", "storage_backend": ""}
    app = make_app(settings=settings)
    assert isinstance(app.app.registry.id_generator, Planets)


@pytest.mark.clause("S-6.3", "H-7.7")
def test_a_generator_that_refuses_what_it_makes_refuses_to_start() -> None:
    with pytest.raises(AssertionError):
        make_app(settings={"id_generator": f"{__name__}.Contradiction"})


# Redirections


@pytest.mark.clause("S-8.8")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_url_without_version_leads_to_the_current_one(method: str) -> None:
    app = make_app([Mushroom])
    response = app.request("/mushrooms?a=1&b=%C3%A9", method=method, status=307)
    assert response.location == "http://localhost/v0/mushrooms?a=1&b=%C3%A9"


@pytest.mark.clause("S-8.8")
def test_a_url_without_version_is_unknown_when_the_setting_says_so() -> None:
    app = make_app([Mushroom], settings={"version_prefix_redirect_enabled": "false"})
    assert app.get("/mushrooms", headers=AUTH, status=404).json["code"] == 404


@pytest.mark.clause("S-8.9")
@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v0/mushrooms/?a=1", "/v0/mushrooms?a=1"),
        ("/v0/mushrooms//", "/v0/mushrooms"),
        ("/v0/nothing/", "/v0/nothing"),
        ("/v0", "/v0/"),
    ],
)
def test_a_final_slash_leads_to_the_same_url_without_it(path: str, target: str) -> None:
    response = make_app([Mushroom]).get(path, status=307)
    assert response.location == f"http://localhost{target}"


@pytest.mark.clause("S-8.9")
@pytest.mark.parametrize("path", ["/v0/mushrooms/", "/v0"])
def test_a_final_slash_is_unknown_when_the_setting_says_so(path: str) -> None:
    app = make_app([Mushroom], settings={"trailing_slash_redirect_enabled": "false"})
    assert app.get(path, headers=AUTH, status=404).json["errno"] == 111


@pytest.mark.clause("S-8.9")
def test_a_url_that_has_a_final_slash_is_served() -> None:
    make_app().get("/v0/", status=200)


# Versions


@pytest.mark.clause("D-46", "S-23.5")
def test_versions_are_text() -> None:
    app = make_app(settings={"project_version": "3.10", "http_api_version": "1.10"})
    hello = app.get("/v1/").json
    assert hello["project_version"] == "3.10"
    assert hello["http_api_version"] == "1.10"


# Events


@pytest.mark.clause("X-10")
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_an_event_has_the_timestamp_of_the_collection_after_the_change(method: str) -> None:
    timestamps = []
    app = make_app(
        [Mushroom],
        configure=lambda config: config.add_subscriber(
            lambda event: timestamps.append(event.payload["timestamp"]), ResourceChanged
        ),
    )
    path = f"{COLLECTION}/{create(app).json['data']['id']}"
    before = app.get(COLLECTION, headers=AUTH).headers["ETag"]

    target = COLLECTION if method == "post" else path
    send = getattr(app, f"{method}_json")
    send(target, {"data": {"name": "morel"}}, headers=AUTH)

    after = app.get(COLLECTION, headers=AUTH).headers["ETag"]
    assert after != before
    assert f'"{timestamps[-1]}"' == after
