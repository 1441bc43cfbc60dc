"""Rounds of eight requests at once on one record: who wins, and what the others are told."""

import uuid
from collections import Counter
from typing import Any

import pytest

from cliquet.testing.web import basic_auth
from processes.application import LICHENS
from processes.client import everyone

ROUNDS = 30
MIXED = ["PUT", "PATCH", "DELETE", "PUT", "PATCH", "DELETE", "PUT", "PATCH"]


def new_url() -> str:
    return f"{LICHENS}/{uuid.uuid4()}"


def statuses(answers: Any) -> Any:
    return Counter(answer.status for answer in answers)


def winner(answers: Any, status: int | str) -> Any:
    (found,) = [answer for answer in answers if answer.status == status]
    return found


def somebody() -> dict[str, str]:
    """Return the credentials of a user who has nothing yet."""
    return basic_auth(uuid.uuid4().hex)


@pytest.mark.clause("D-53", "B-22.15", "X-24")
@pytest.mark.parametrize("methods", ["PUT", "PATCH", "DELETE", MIXED], ids=str)
def test_one_of_the_writes_with_the_same_condition_succeeds(
    clients: list[Any], methods: list[Any] | str
) -> None:
    for _ in range(ROUNDS):
        url = new_url()
        etag = clients[0].send("PUT", url, {"data": {}}).headers["etag"]

        answers = everyone(clients, methods, url, If_Match=etag)

        found = statuses(answers)
        assert found[200] == 1
        # Once it is deleted, the others find nothing.
        assert found[412] + found[404] == len(clients) - 1
        won = winner(answers, 200)
        assert found[404] == 0 or won.data.get("deleted")
        now = clients[0].send("GET", url)
        assert now.status == 404 if won.data.get("deleted") else now.data == won.data


@pytest.mark.clause("D-54", "B-22.15", "X-24")
@pytest.mark.parametrize("over_tombstone", [False, True])
def test_if_none_match_star_creates_once(clients: list[Any], over_tombstone: bool) -> None:
    for _ in range(ROUNDS):
        url = new_url()
        if over_tombstone:
            clients[0].send("PUT", url, {"data": {}})
            clients[0].send("DELETE", url)

        answers = everyone(clients, "PUT", url, If_None_Match="*")

        assert statuses(answers) == {201: 1, 412: len(clients) - 1}
        assert clients[0].send("GET", url).data == winner(answers, 201).data


@pytest.mark.clause("D-54", "B-5.20")
def test_of_puts_without_condition_one_creates_and_the_others_replace(clients: list[Any]) -> None:
    for _ in range(ROUNDS):
        url = new_url()

        answers = everyone(clients, "PUT", url)

        assert statuses(answers) == {201: 1, 200: len(clients) - 1}
        last = max(answers, key=lambda answer: answer.data["last_modified"])
        assert clients[0].send("GET", url).data == last.data


@pytest.mark.clause("D-54", "B-5.21", "H-16.3")
def test_of_posts_with_the_same_id_one_creates(clients: list[Any]) -> None:
    for _ in range(ROUNDS):
        record_id = str(uuid.uuid4())
        answers = everyone(clients, "POST", LICHENS, {"id": record_id})

        assert statuses(answers) == {201: 1, 200: len(clients) - 1}
        assert all(answer.data == winner(answers, 201).data for answer in answers)


@pytest.mark.clause("D-53", "D-61", "B-22.16")
def test_of_deletions_one_deletes(clients: list[Any]) -> None:
    for _ in range(ROUNDS):
        url = new_url()
        clients[0].send("PUT", url, {"data": {}})

        answers = everyone(clients, "DELETE", url)

        assert statuses(answers) == {200: 1, 404: len(clients) - 1}


@pytest.mark.clause("D-57", "D-59", "B-22.1", "B-22.3")
def test_first_writes_of_a_collection_all_succeed_with_distinct_timestamps(
    clients: list[Any],
) -> None:
    for _ in range(ROUNDS):
        answers = everyone(clients, "POST", LICHENS, **somebody())

        assert statuses(answers) == {201: len(clients)}
        assert len({answer.data["last_modified"] for answer in answers}) == len(clients)


@pytest.mark.clause("D-59", "B-22.3", "B-22.7")
def test_first_reads_of_a_collection_agree_on_its_timestamp(clients: list[Any]) -> None:
    for _ in range(ROUNDS):
        answers = everyone(clients, "GET", LICHENS, **somebody())

        assert statuses(answers) == {200: len(clients)}
        assert len({answer.headers["etag"] for answer in answers}) == 1


@pytest.mark.clause("D-61", "B-22.11")
def test_a_record_is_never_both_live_and_deleted(clients: list[Any]) -> None:
    url = new_url()
    for _ in range(ROUNDS):
        answers = everyone(clients, ["PUT", "DELETE"] * 4, url)

        assert set(statuses(answers)) <= {200, 201, 404}
        entries = clients[0].send("GET", f"{LICHENS}?_since=0").data
        assert len(entries) == 1
        assert entries[0].get("deleted", False) == (clients[0].send("GET", url).status == 404)
