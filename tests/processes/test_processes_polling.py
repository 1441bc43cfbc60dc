"""A client that polls with the ETag it was given, while eight others write."""

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from cliquet.testing.web import basic_auth
from processes.application import LICHENS
from processes.load import Actor, Batcher, Writer, check_kept, torn_batches, under_load, walk

WRITERS = 6
BATCHERS = 2
# The full length takes its time, on each family of backends.
PERIOD_SECONDS = 12 if os.environ.get("CLIQUET_TEST_FULL") else 3


class Poller(Actor):
    """Asks again and again for what changed since its last request.

    Attributes
    ----------
    replica : the items of the collection as it knows them, by id.
    seen : everything that it was told, as pairs of id and timestamp.
    etags : timestamps of the collection, in the order in which they were given.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.replica = {}
        self.seen = set()
        self.etags = [0]

    def step(self) -> None:
        since = self.etags[-1]
        answer = self.send("GET", f'{LICHENS}?_since="{since}"')
        etag = int(answer.headers["etag"].strip('"'))
        for item in answer.data:
            # One later than the ETag is told again: a storage may read the ETag before the items.
            assert since < item["last_modified"]
            self.replica[item["id"]] = item
            self.seen.add((item["id"], item["last_modified"]))
        self.etags.append(etag)


@pytest.fixture
def clients(site: Any) -> Iterator[Any]:
    made = site.clients(WRITERS + BATCHERS + 1, basic_auth(uuid.uuid4().hex))
    yield made
    for client in made:
        client.close()


@pytest.mark.clause("D-57", "D-60", "H-9.8", "B-22.1", "B-22.2", "X-23")
def test_every_change_is_seen_and_every_acknowledged_one_is_kept(clients: list[Any]) -> None:
    writers = [Writer(client) for client in clients[:WRITERS]]
    batchers = [Batcher(client) for client in clients[WRITERS:-1]]
    actors = [*writers, *batchers]
    poller = Poller(clients[-1])

    with under_load([*actors, poller]):
        time.sleep(PERIOD_SECONDS)
    # After the last write.
    poller.step()

    changes = [change for actor in actors for change in actor.changes]
    stamps = [stamp for _, stamp in changes]
    assert len(set(stamps)) == len(stamps)
    for actor in actors:
        own = [stamp for _, stamp in actor.changes]
        assert own == sorted(own)
    assert poller.etags == sorted(poller.etags)
    assert poller.etags[-1] == max(stamps)
    assert unseen(changes, poller.seen) == []
    lichens, spores = check_kept(poller.client, actors)
    content = {item["id"]: item for item in walk(poller.client, f"{LICHENS}?_since=0")}
    assert poller.replica == content
    assert {key for key, item in content.items() if not item.get("deleted")} == set(lichens)
    assert not torn_batches(lichens, spores)
    assert all(actor.changes for actor in actors)


def unseen(changes: Any, seen: Any) -> list[Any]:
    """Return the changes that the poller was not told, nor a later one of the same record."""
    latest = {}
    for record_id, stamp in seen:
        latest[record_id] = max(stamp, latest.get(record_id, 0))
    return [change for change in changes if latest.get(change[0], 0) < change[1]]


def test_the_check_knows_a_change_that_was_missed() -> None:
    assert unseen([("a", 2), ("b", 3)], {("a", 1), ("b", 4)}) == [("a", 2)]
