"""The timestamp of a list: with the records or before them, never after (H-9.8)."""

from typing import Any

import pytest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import resource
from cliquet.core.globs import Pattern
from cliquet.storage.memory import Storage
from cliquet.testing.web import basic_auth

HEADERS = basic_auth()
URL = "/v0/spores"


class Recording(Storage):
    """Writes down what is asked, and lets others write when a list has been read."""

    pages_have_timestamp = True

    def __init__(self) -> None:
        super().__init__()
        self.asked = []
        self.meanwhile = []

    def collection_timestamp(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append("timestamp")
        return super().collection_timestamp(*args, **kwargs)

    def get_all(self, **kwargs: Any) -> Any:
        self.asked.append("list")
        answer = super().get_all(**kwargs)
        if self.meanwhile:
            record = self.meanwhile.pop()
            self.create(kwargs["collection_id"], kwargs["parent_id"], record)
        return answer


class Older(Recording):
    """A storage whose lists have no timestamp."""

    pages_have_timestamp = False

    def get_all(self, **kwargs: Any) -> Any:
        records, total = super().get_all(**kwargs)
        return list(records), total


class Unpromised(Recording):
    """A storage of an application, which wants to know of every timestamp."""

    def collection_timestamp(self, *args: Any, **kwargs: Any) -> Any:
        return super().collection_timestamp(*args, **kwargs)


class Spore(resource.UserResource):
    pass


class LosingModel(resource.Model):
    def get_records(self, *args: Any, **kwargs: Any) -> Any:
        records, total = super().get_records(*args, **kwargs)
        return [{**record, "seen": True} for record in records], total


class KeepingModel(resource.Model):
    pages_have_timestamp = True

    def get_records(self, *args: Any, **kwargs: Any) -> Any:
        return super().get_records(*args, **kwargs)


class UnawareModel(LosingModel):
    """Says that it keeps what it loses."""

    pages_have_timestamp = True


def using(model: Any) -> Any:
    class Used(Spore):
        default_model = model

    return Used


class OwnTimestamp(Spore):
    @property
    def timestamp(self) -> Any:
        return super().timestamp


class OwnHeader(Spore):
    def _add_timestamp_header(self, response: Any, timestamp: Any = None) -> None:
        super()._add_timestamp_header(response, timestamp or self.model.timestamp())


class OwnCondition(Spore):
    def _raise_304_if_not_modified(self, record: Any = None) -> None:
        assert "ETag" in self.request.response.headers
        super()._raise_304_if_not_modified(record)


class EveryParent(Spore):
    def get_parent_id(self, request: Any) -> Any:
        return Pattern("*")


class ReadBefore(Spore):
    def _extract_limit(self) -> Any:
        assert self.timestamp > 0
        return super()._extract_limit()


def make(cls: Any, storage: Any) -> TestApp:
    def use(config: Any) -> None:
        config.registry.storage = storage

    return make_app([(cls, {"name": "spore"})], configure=use)


def parent_of(app: TestApp) -> Any:
    return app.get("/v0/", headers=HEADERS).json["user"]["id"]


@pytest.mark.clause("H-9.8", "D-60", "P-11.7", "P-9.9", "P-13.6")
@pytest.mark.parametrize(
    ("cls", "storage_class", "asked"),
    [
        (Spore, Recording, ["list"]),
        (using(KeepingModel), Recording, ["list"]),
        (Spore, Older, ["timestamp", "list"]),
        (Spore, Unpromised, ["timestamp", "list"]),
        (using(LosingModel), Recording, ["timestamp", "list"]),
        (using(UnawareModel), Recording, ["list", "timestamp", "list"]),
        (OwnTimestamp, Recording, ["timestamp", "list"]),
        (OwnHeader, Recording, ["timestamp", "list"]),
        (OwnCondition, Recording, ["timestamp", "list"]),
        (EveryParent, Recording, ["timestamp", "list"]),
        (ReadBefore, Recording, ["timestamp", "list"]),
    ],
)
def test_no_record_older_than_the_timestamp_is_missing(
    cls: type[Any], storage_class: type[Any], asked: list[Any]
) -> None:
    storage = storage_class()
    app = make(cls, storage)
    app.post_json(URL, {"data": {}}, headers=HEADERS)
    storage.asked.clear()
    storage.meanwhile = [{"id": "meanwhile"}]

    response = app.get(URL, headers=HEADERS)

    assert storage.asked == asked
    revision = int(response.headers["ETag"].strip('"'))
    collection_id = cls.__name__.lower()
    missed = storage.get(collection_id, "*" if cls is EveryParent else parent_of(app), "meanwhile")
    is_listed = "meanwhile" in [record["id"] for record in response.json["data"]]
    assert is_listed or revision < missed["last_modified"]


@pytest.mark.clause("H-9.3", "H-9.8", "D-60")
def test_a_list_is_read_again_when_its_collection_was_touched_meanwhile() -> None:
    storage = Recording()
    app = make(Spore, storage)
    storage.meanwhile = [{"id": "meanwhile"}]

    response = app.get(URL, headers=HEADERS)

    assert storage.asked == ["list", "timestamp", "list"]
    (record,) = response.json["data"]
    assert response.headers["ETag"] == f'"{record["last_modified"]}"'
    assert response.headers["Total-Records"] == "1"


@pytest.mark.clause("H-9.3")
def test_the_first_list_gives_the_timestamp_of_the_first_access() -> None:
    storage = Recording()
    app = make(Spore, storage)

    response = app.get(URL, headers=HEADERS)

    assert storage.asked == ["list"]
    assert response.headers["ETag"] == f'"{storage.collection_timestamp("spore", parent_of(app))}"'


@pytest.mark.clause("H-9.7", "H-11.2")
@pytest.mark.parametrize("query", ["", "?_limit=1"])
def test_the_headers_are_in_the_same_order_with_and_without_a_condition(query: str) -> None:
    app = make(Spore, Recording())
    for _ in range(2):
        app.post_json(URL, {"data": {}}, headers=HEADERS)

    plain = app.get(URL + query, headers=HEADERS)
    conditional = app.get(URL + query, headers={**HEADERS, "If-None-Match": '"1"'})

    assert list(plain.headers) == list(conditional.headers)
    assert plain.headers["ETag"] == conditional.headers["ETag"]
