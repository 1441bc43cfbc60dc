"""The feed of a resource whose records are in shards (E-14, E-23.4)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.spread import ALICE, HOME, URL, Writer, elsewhere, in_thread, make
from support.streams import FeedOnLoop, LoopStream
from webtest import TestApp


@pytest.fixture
def app(postgresql_url: str) -> Iterator[TestApp]:
    made = make(postgresql_url, russula_sync_enabled="true")
    for backend in (made.app.registry.storage, made.app.registry.permission):
        backend.initialize_schema()
    yield made
    made.app.registry.storage.client.dispose()


def put(app: TestApp, name: str, n: int) -> Any:
    return app.put_json(f"{URL}/{name}", {"data": {"n": n}}, headers=ALICE).json["data"]


@pytest.mark.clause("E-14.2", "E-14.6", "E-23.4")
def test_each_change_is_told_once_and_no_later_one_before_an_earlier(
    app: TestApp, feed_of: Callable[[Any], FeedOnLoop]
) -> None:
    storage = app.app.registry.storage
    other = elsewhere("one")
    first = [put(app, "one", 1), put(app, other, 1)]
    stream = LoopStream(feed_of(app), f"{URL}?_sync=", ALICE)
    assert stream.until_items(2) == first

    with Writer(storage, "one") as early:
        late = in_thread(lambda: put(app, other, 2))
        # A change of another client is seen, and has to wait for the earlier one.
        told = in_thread(lambda: app.get(f"{URL}?_sync={stream.token}", headers=ALICE))
        assert told.json["data"] == []
        assert stream.items == first
    earlier = storage.get(**HOME, object_id="one")
    assert earlier["last_modified"] == early["last_modified"] < late["last_modified"]
    assert stream.until_items(4)[2:] == [earlier, late]

    deleted = app.delete(f"{URL}/{other}", headers=ALICE).json["data"]
    assert stream.until_items(5)[4:] == [deleted]
    stream.close()
