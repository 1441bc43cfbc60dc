"""Writers and batchers that run until they are told to stop, and know what was acknowledged."""

import contextlib
import http.client
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from cliquet.testing.bounded import Thread, run_until
from processes.application import LICHENS, SPORES

PATIENCE_SECONDS = 60
# More than any test lets them work.
LONGEST_SECONDS = 1800
UNKNOWN = "/lichens/404404ff-0000-4000-8000-000000000001"
LICHENS_PER_BATCH, SPORES_PER_BATCH = 3, 2


class Actor:
    """One client in a thread of its own.

    Parameters
    ----------
    is_patient : whether it tries again after a 503 or a broken connection, which it notes; others
        accept neither.

    Attributes
    ----------
    changes : acknowledged changes of lichens, as pairs of id and timestamp, in their order.
    created : ids of the acknowledged lichens.
    deleted : ids of those whose deletion was acknowledged.
    doubtful : ids of those whose deletion was asked for, and never answered.
    served_at, refused_at : when a request succeeded; when one was answered 503. Both in seconds of
        the monotonic clock.
    broken : number of requests without any answer.
    """

    def __init__(self, client: Any, *, is_patient: bool = False) -> None:
        self.client = client
        self.is_patient = is_patient
        self.changes = []
        self.created = set()
        self.deleted = set()
        self.doubtful = set()
        self.served_at = []
        self.refused_at = []
        self.broken = 0

    def attempt(self, send: Any) -> Any:
        """Return the answer of a request that succeeds; ``None`` for one that the fault took."""
        try:
            answer = send()
        except (OSError, http.client.HTTPException):
            if not self.is_patient:
                raise
            self.broken += 1
            return None
        if answer.status == 503 and self.is_patient:
            assert int(answer.headers["retry-after"]) > 0
            self.refused_at.append(time.monotonic())
            time.sleep(0.01)
            return None
        assert answer.status < 300, answer
        self.served_at.append(time.monotonic())
        return answer

    def send(self, method: str, path: str, data: Any = None) -> Any:
        body = None if data is None else {"data": data}
        return self.attempt(lambda: self.client.send(method, path, body))

    def note(self, record: Any) -> None:
        self.changes.append((record["id"], record["last_modified"]))

    def note_creation(self, record: Any) -> None:
        self.created.add(record["id"])
        self.note(record)


class Writer(Actor):
    """Creates records, modifies one again and again, and deletes some.

    Attributes
    ----------
    n : the last acknowledged value of the member `n` of the record `kept_id`.
    """

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.kept_id = str(uuid.uuid4())
        self.count = self.n = 0
        self.note_creation(self.client.send("PUT", self.kept_url, {"data": {"n": 0}}).data)

    @property
    def kept_url(self) -> str:
        return f"{LICHENS}/{self.kept_id}"

    def step(self) -> None:
        self.count += 1
        created = self.send("POST", LICHENS, {"count": self.count})
        if created is not None:
            self.note_creation(created.data)
            if self.count % 3 == 0:
                self._delete(created.data["id"])
        patched = self.send("PATCH", self.kept_url, {"n": self.count})
        if patched is not None:
            self.n = self.count
            self.note(patched.data)

    def _delete(self, record_id: Any) -> None:
        deletion = self.send("DELETE", f"{LICHENS}/{record_id}")
        if deletion is None:
            self.doubtful.add(record_id)
        else:
            self.deleted.add(record_id)
            self.note(deletion.data)


class Batcher(Actor):
    """Creates records of two collections in one request; one sub-request fails by itself.

    Attributes
    ----------
    spores : ids of the acknowledged spores.
    tokens : the acknowledged batches.
    """

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.spores = set()
        self.tokens = set()

    def step(self) -> None:
        token = str(uuid.uuid4())
        lichens = [("POST", "/lichens", {"token": token})] * LICHENS_PER_BATCH
        spores = [("POST", "/spores", {"token": token})] * SPORES_PER_BATCH
        requests = [*lichens, ("PATCH", UNKNOWN, {"n": 1}), *spores]
        answer = self.attempt(lambda: self.client.batch(requests))
        if answer is None:
            return
        responses = answer.json["responses"]
        expected = [201] * LICHENS_PER_BATCH + [404] + [201] * SPORES_PER_BATCH
        found = [response["status"] for response in responses]
        assert found == expected, answer
        self.tokens.add(token)
        for response in responses:
            if response["status"] == 201:
                self._note_response(response)

    def _note_response(self, response: Any) -> None:
        record = response["body"]["data"]
        if "/spores" in response["path"]:
            self.spores.add(record["id"])
        else:
            self.note_creation(record)


@contextlib.contextmanager
def under_load(actors: Any) -> Iterator[None]:
    """Let actors work in a thread each while the block runs; raise the first of their errors."""
    stop = threading.Event()
    errors = []

    def work(actor: Any) -> None:
        try:
            for _ in run_until(stop, seconds=LONGEST_SECONDS):
                actor.step()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=work, args=[actor]) for actor in actors]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for error in errors:
        raise error


def walk(client: Any, url: Any) -> Any:
    """Return the items of a listing, page after page."""
    items = []
    while url is not None:
        answer = client.send("GET", url)
        assert answer.status == 200, answer
        items += answer.data
        following = answer.headers.get("next-page")
        url = following and "/v0/" + following.split("/v0/", 1)[1]
    return items


def check_kept(client: Any, actors: Any) -> Any:
    """Check that everything acknowledged is there, and each batch as a whole or not at all."""
    lichens = {item["id"]: item for item in walk(client, LICHENS)}
    spores = {item["id"]: item for item in walk(client, SPORES)}
    for actor in actors:
        assert actor.created - actor.deleted - actor.doubtful <= set(lichens)
        assert not actor.deleted & set(lichens)
        if isinstance(actor, Writer):
            # The last one may have had its effect without an answer.
            assert lichens[actor.kept_id]["n"] >= actor.n
        else:
            assert actor.spores <= set(spores)
    return lichens, spores


def torn_batches(lichens: Any, spores: Any) -> dict[Any, Any]:
    """Return the tokens of the batches of which a part only is there."""
    found = {}
    for rank, items in enumerate((lichens, spores)):
        for item in items.values():
            if "token" in item:
                found.setdefault(item["token"], [0, 0])[rank] += 1
    whole = [LICHENS_PER_BATCH, SPORES_PER_BATCH]
    return {token: counts for token, counts in found.items() if counts != whole}
