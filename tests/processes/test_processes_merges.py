"""Rounds of eight requests at once whose effects must all be kept, or made once."""

import itertools
import uuid
from collections import Counter
from typing import Any

import pytest

from processes.application import AMANITAS, LICHENS, SPORES, TRUFFLES
from processes.client import at_once, everyone

ROUNDS = 30


def new_url(collection: Any = LICHENS) -> str:
    return f"{collection}/{uuid.uuid4()}"


def statuses(answers: Any) -> Any:
    return Counter(answer.status for answer in answers)


@pytest.mark.clause("D-55", "B-22.17", "X-24")
@pytest.mark.parametrize("collection", [LICHENS, AMANITAS])
def test_patches_of_different_members_are_all_kept(clients: list[Any], collection: str) -> None:
    url = new_url(collection)
    clients[0].send("PUT", url, {"data": {}})

    def patch(rank: Any, client: Any) -> Any:
        def send() -> list[Any]:
            bodies = [{"data": {f"m{rank}_{n}": n}} for n in range(ROUNDS)]
            return [client.send("PATCH", url, body).status for body in bodies]

        return send

    answered = at_once([patch(*pair) for pair in enumerate(clients)])

    assert answered == [[200] * ROUNDS] * len(clients)
    record = clients[0].send("GET", url).data
    expected = {f"m{rank}_{n}": n for rank in range(len(clients)) for n in range(ROUNDS)}
    assert {name: value for name, value in record.items() if name.startswith("m")} == expected


@pytest.mark.clause("D-53", "B-22.15", "X-24")
def test_no_update_is_lost_under_if_match(clients: list[Any]) -> None:
    url = new_url()
    clients[0].send("PUT", url, {"data": {"n": 0}})
    each = 5

    def increment(client: Any) -> None:
        for _ in range(each):
            status = 412
            while status == 412:
                read = client.send("GET", url)
                body = {"data": {"n": read.data["n"] + 1}}
                status = client.send("PUT", url, body, If_Match=read.headers["etag"]).status
            assert status == 200

    at_once([lambda client=client: increment(client) for client in clients])

    assert clients[0].send("GET", url).data["n"] == each * len(clients)


@pytest.mark.clause("D-57", "B-22.1")
def test_posts_all_succeed_with_distinct_timestamps(clients: list[Any]) -> None:
    stamps = []
    for _ in range(ROUNDS):
        answers = everyone(clients, "POST", LICHENS)

        assert statuses(answers) == {201: len(clients)}
        stamps.append({answer.data["last_modified"] for answer in answers})

    assert len(set().union(*stamps)) == ROUNDS * len(clients)
    assert all(max(former) < min(later) for former, later in itertools.pairwise(stamps))
    assert clients[0].send("HEAD", LICHENS).headers["total-records"] == str(ROUNDS * len(clients))


@pytest.mark.clause("D-56", "B-22.4", "H-23.4")
def test_equal_unique_fields_make_one_record(clients: list[Any]) -> None:
    for n in range(ROUNDS):
        answers = everyone(clients, "POST", TRUFFLES, {"name": "black", "email": f"{n}@x.org"})

        assert statuses(answers) == {201: 1, 200: len(clients) - 1}
        assert len({answer.data["id"] for answer in answers}) == 1

    assert clients[0].send("HEAD", TRUFFLES).headers["total-records"] == str(ROUNDS)


@pytest.mark.clause("D-56", "H-23.5")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_one_of_the_records_gets_a_unique_value(clients: list[Any], method: str) -> None:
    urls = [new_url(TRUFFLES) for _ in clients]
    for url in urls:
        clients[0].send("PUT", url, {"data": {"name": "white"}})

    for n in range(ROUNDS):
        body = {"data": {"name": "black", "code": n}}

        answers = at_once(
            [
                lambda client=client, url=url, body=body: client.send(method, url, body)
                for client, url in zip(clients, urls, strict=True)
            ]
        )

        assert statuses(answers) == {200: 1, 409: len(clients) - 1}
        assert len(clients[0].send("GET", f"{TRUFFLES}?code={n}").data) == 1


@pytest.mark.clause("D-54", "D-62")
def test_of_puts_of_a_shared_record_one_creates(clients: list[Any]) -> None:
    for _ in range(ROUNDS):
        url = new_url(AMANITAS)

        answers = everyone(clients, "PUT", url)

        assert statuses(answers) == {201: 1, 200: len(clients) - 1}
        last = max(answers, key=lambda answer: answer.data["last_modified"])
        # Who created it may still write it, and alone.
        assert clients[0].send("GET", url).json == last.json
        assert [len(users) for users in last.json["permissions"].values()] == [1]


@pytest.mark.clause("X-18", "X-23", "H-25.21", "B-5.20")
@pytest.mark.parametrize("number", [2, 8])
def test_batches_that_meet_in_opposite_orders_all_succeed_and_are_never_torn(
    clients: list[Any], number: int, is_transactional: bool
) -> None:
    urls = [new_url(collection) for collection in (LICHENS, LICHENS, SPORES, SPORES)]
    paths = [url.removeprefix("/v0") for url in urls]

    def batch(rank: Any, client: Any, token: Any) -> Any:
        order = paths if rank % 2 else paths[::-1]
        return lambda: client.batch([("PUT", path, {"token": token}) for path in order])

    for n in range(ROUNDS):
        answers = at_once(
            [batch(rank, client, f"{n}-{rank}") for rank, client in enumerate(clients[:number])]
        )

        assert statuses(answers) == {200: number}
        inner = [entry for answer in answers for entry in answer.json["responses"]]
        assert {entry["status"] for entry in inner} <= {200, 201}
        tokens = {clients[0].send("GET", url).data["token"] for url in urls}
        assert all(token.startswith(f"{n}-") for token in tokens)
        # Redis applies each write at once.
        assert len(tokens) == 1 or not is_transactional
