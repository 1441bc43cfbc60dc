"""Lists that nobody looks at travel as text, with the same answers as all others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import colander
import pytest
from pyramid.events import NewResponse
from servers.processes import temporary_folder
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import events, resource
from cliquet.storage.page_text import PageText
from cliquet.testing.web import basic_auth

ALICE = basic_auth("alice")
VALUES: list[Any] = [
    *(0, -1, 3.0, 0.1, 1e-7, 1e16, 1e30, 1e300, 2**53 - 1, 0.30000000000000004, True, None),
    *("", "a,\\n{", "\n", "\x01\x7f", "\u00e8\u2028\U0001f344", "1234567890123456789012", '"'),
    *([], {}, [[1, 2.0], {"b": [], "a": None}], {"\u00e8": 1, "z": 2, "aa": "3"}),
]


pytestmark = pytest.mark.usefixtures("own_settings")


class Mushroom(resource.ShareableResource):
    """Records that settings open to all users."""

    class MushroomSchema(resource.ResourceSchema):
        size = colander.SchemaNode(colander.Integer(), missing=colander.drop)

        class Options:
            preserve_unknown = True

    mapping = MushroomSchema()

    def is_known_field(self, field: str) -> bool:
        return True


class Seen(Mushroom):
    """A resource of an application that looks at its lists."""

    def postprocess(self, result: Any, *args: Any, **kwargs: Any) -> Any:
        body = super().postprocess(result, *args, **kwargs)
        return {**body, "seen": len(result)}


class Wrapped(Mushroom):
    def collection_get(self) -> Any:
        return {**super().collection_get(), "wrapped": True}


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def text_backends(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of backends that give texts."""
    with temporary_folder("texts", in_memory=True) as folder:
        url = f"sqlite:///{folder}/a.db" if request.param == "sqlite" else ""
        if request.param == "postgresql":
            url = request.getfixturevalue("postgresql_module_url")
        yield {
            f"{kind}_{name}": value
            for kind in ("storage", "permission")
            for name, value in (("backend", f"cliquet.{kind}.{request.param}"), ("url", url))
        }


def served(text_backends: dict[str, str], configure: Any = None) -> TestApp:
    opened = {
        f"{name}_{permission}_principals": "system.Authenticated"
        for name in ("mushroom", "seen", "wrapped")
        for permission in ("create", "read", "write")
    }
    app = make_app(
        [Mushroom, Seen, Wrapped], settings={**text_backends, **opened}, configure=configure
    )
    for backend in (app.app.registry.storage, app.app.registry.permission):
        backend.initialize_schema()
        backend.flush()
    return app


def fill(app: TestApp, plural: str = "mushrooms") -> None:
    for number, value in enumerate(VALUES):
        data = {"size": number, "value": value}
        app.post_json(f"/v0/{plural}", {"data": data}, headers=ALICE)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[PageText]:
    """The pages that have travelled as text."""
    made: list[PageText] = []
    make = PageText.__init__

    def noting(self: PageText, number: int) -> None:
        made.append(self)
        make(self, number)

    monkeypatch.setattr(PageText, "__init__", noting)
    return made


def listening(config: Any) -> None:
    config.add_subscriber(lambda event: None, events.ResourceRead)


@pytest.mark.clause("H-11.2", "H-11.3", "H-14.5")
@pytest.mark.parametrize(
    "query",
    [
        "_limit=3",
        "_limit=100",
        "_limit=23&_sort=size",
        "_limit=5&_sort=-value,size",
        "_limit=4&min_size=10&_sort=size",
        "_limit=4&size=-1",
        "_limit=2&_since=0",
        "_limit=2&_fields=size",
    ],
)
def test_text_is_the_same_as_the_records(text_backends: dict[str, str], query: str) -> None:
    """A walk through all pages gives what an application with a subscriber gives."""
    plain = served(text_backends)
    fill(plain)
    other = make_app(
        [Mushroom, Seen, Wrapped],
        settings={**plain.app.registry.settings},
        configure=listening,
    )
    # What is in memory belongs to one application.
    other.app.registry.storage = plain.app.registry.storage
    url: str | None = f"/v0/mushrooms?{query}"
    pages = 0
    while url is not None:
        ours, theirs = (app.get(url, headers=ALICE) for app in (plain, other))
        assert repr(ours.json) == repr(theirs.json)
        for name in ("ETag", "Total-Records", "Next-Page", "Link", "Last-Modified", "Content-Type"):
            assert ours.headers.get(name) == theirs.headers.get(name)
        assert int(ours.headers["Content-Length"]) == len(ours.body)
        url, pages = ours.headers.get("Next-Page"), pages + 1
    assert pages <= len(VALUES)


def test_lists_travel_as_text_where_nobody_looks(
    text_backends: dict[str, str], texts: list[PageText]
) -> None:
    """Others are parsed: projections, and pages with numbers that are refused in bodies."""
    app = served(text_backends)
    for size in range(5):
        app.post_json("/v0/mushrooms", {"data": {"size": size}}, headers=ALICE)
    got = app.get("/v0/mushrooms?_limit=3&_sort=size", headers=ALICE)
    assert [record["size"] for record in got.json["data"]] == [0, 1, 2]
    assert len(texts) == 1
    app.get("/v0/mushrooms?_limit=3&_fields=size", headers=ALICE)
    assert len(texts) == 1
    app.post_json("/v0/mushrooms", {"data": {"far": 1e30}}, headers=ALICE)
    got = app.get("/v0/mushrooms?_limit=3", headers=ALICE)
    # Others keep what the library has written.
    is_told_otherwise = "postgresql" in text_backends["storage_backend"]
    assert len(texts) == (1 if is_told_otherwise else 2)
    app.post_json("/v0/mushrooms", got.json, headers=ALICE, status=400)
    app.post_json("/v0/mushrooms", {"data": got.json["data"][0]}, headers=ALICE)


@pytest.mark.parametrize(("plural", "member"), [("seens", "seen"), ("wrappeds", "wrapped")])
def test_methods_of_applications_get_records(
    text_backends: dict[str, str], texts: list[PageText], plural: str, member: str
) -> None:
    """A replaced hook or endpoint is called as before."""
    app = served(text_backends)
    app.post_json(f"/v0/{plural}", {"data": {}}, headers=ALICE)
    answer = app.get(f"/v0/{plural}?_limit=3", headers=ALICE).json
    assert len(answer["data"]) == 1
    assert answer[member] == 1
    assert texts == []


def test_events_of_a_text_have_its_records(
    text_backends: dict[str, str], texts: list[PageText]
) -> None:
    """Code that asks for the events of a request gets the records that the client got."""
    found: list[Any] = []

    def look(event: Any) -> None:
        if event.request.method == "GET":
            found.extend(events.get_resource_events(event.request))

    app = served(text_backends, lambda config: config.add_subscriber(look, NewResponse))
    for size in range(4):
        app.post_json("/v0/mushrooms", {"data": {"size": size}}, headers=ALICE)
    shown = app.get("/v0/mushrooms?_limit=3&_sort=size", headers=ALICE).json["data"]
    (event,) = found
    assert event.read_records == shown
    assert len(texts) == 1


def test_long_values_are_left_out_of_the_token(
    text_backends: dict[str, str], texts: list[PageText]
) -> None:
    """The page after a record whose values do not fit into a URL is found by other records."""
    app = served(text_backends)
    for number in range(6):
        data = {"name": f"{number}" + "x" * 20_000}
        app.post_json("/v0/mushrooms", {"data": data}, headers=ALICE)
    url, names = "/v0/mushrooms?_limit=2&_sort=name", []
    while url:
        got = app.get(url, headers=ALICE)
        names += [record["name"][0] for record in got.json["data"]]
        url = got.headers.get("Next-Page", "")
    assert names == list("012345")
    assert texts


def test_who_changes_the_records_of_a_text_changes_nothing_stored(
    text_backends: dict[str, str],
) -> None:
    """A hook on the next page, and code that reads the events, get copies."""
    app = served(text_backends)
    for size in range(3):
        app.post_json("/v0/mushrooms", {"data": {"size": size, "a": {"b": []}}}, headers=ALICE)
    storage = app.app.registry.storage
    place = {"collection_id": "mushroom", "parent_id": ""}
    page, _ = storage.get_all(**place, limit=3, as_text=True)
    before = page.parsed()
    _, last = page.cut(2)
    for record in (last, *page.parsed()):
        record["a"]["b"].append("changed")
        record["more"] = 1
    assert page.parsed() == before
    assert storage.get_all(**place)[0] == before


def test_lists_in_a_batch_are_parsed(text_backends: dict[str, str], texts: list[PageText]) -> None:
    """The answer of a batch is written as a whole."""
    app = served(text_backends)
    app.post_json("/v0/mushrooms", {"data": {"size": 1}}, headers=ALICE)
    asked = {"requests": [{"path": "/mushrooms?_limit=2"}] * 2}
    answers = app.post_json("/v0/batch", asked, headers=ALICE).json["responses"]
    assert [len(one["body"]["data"]) for one in answers] == [1, 1]
    assert texts == []
    json.dumps(answers)
