"""What a stream asks for and what it tells, without a server, by a clock of the test."""

import contextlib
import json
from typing import Any

import pytest
from support.streams import event_of

from cliquet.feed import events, stream
from cliquet.feed.rooms import Company
from cliquet.feed.source import Page
from cliquet.feed.stream import KEEP_ALIVE_SECONDS, MAX_AGE_SECONDS, Stream
from cliquet.storage.watching import Position

RECHECK_SECONDS = 5.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Asker:
    """Stands for the source of a stream, which needs no application here."""

    def __init__(self, client: bytes = b"me", *, is_alike: bool = True) -> None:
        self.url = "/mushrooms?"
        self.client = client
        self.is_alike = is_alike

    def query(self, token: str) -> str:
        return f"_sync={token}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Any, token: str = "t0", **asker: Any) -> Any:
    return Stream(
        Asker(**asker),  # type: ignore[arg-type]
        token,
        recheck_seconds=RECHECK_SECONDS,
        clock=clock,
    )


def page(clock: Any, *ids: str, token: str = "t1", is_last: bool = True, **other: Any) -> Page:
    records = [{"id": one, "last_modified": n} for n, one in enumerate(ids, 1)]
    items = events.items_of(records, id_field="id", modified_field="last_modified")
    fields: dict[str, Any] = {
        "status": 200,
        "items": items,
        "token": token,
        "is_last": is_last,
        "refusal": None,
        "errno": 0,
        "details": None,
        "client": b"me",
        "judged_at": clock(),
    }
    return Page(**{**fields, **other})


def failed(clock: Any, status: int, errno: int = 0, details: Any = None) -> Page:
    class Refusal:
        body = json.dumps({"code": status, "errno": errno}).encode()

    return page(clock, status=status, errno=errno, details=details, refusal=Refusal())


def told(text: bytes) -> list[Any]:
    return [event_of(part) for part in text.decode().split("\n\n") if part]


def names(text: bytes) -> list[str]:
    return [event.name for event in told(text)]


@pytest.fixture
def live(clock: Clock) -> Any:
    """A stream that has caught up."""
    begun = made(clock)
    assert begun.question().shared_as is None
    begun.take(page(clock))
    assert begun.question() is None
    return begun


@pytest.mark.clause("E-14.2")
def test_changes_are_followed_by_a_checkpoint_whose_id_is_the_token(clock: Clock) -> None:
    text = made(clock).take(page(clock, "a", "b"))

    *changes, checkpoint = told(text)
    assert [event.data["id"] for event in changes] == ["a", "b"]
    assert checkpoint == ("checkpoint", {"token": "t1"}, "t1")


@pytest.mark.clause("E-14.2")
def test_a_client_that_has_missed_nothing_gets_a_checkpoint_too(clock: Clock) -> None:
    assert names(made(clock).take(page(clock))) == ["checkpoint"]


@pytest.mark.clause("E-14.3")
def test_each_page_of_a_long_group_can_be_resumed(clock: Clock) -> None:
    begun = made(clock, "")

    first = begun.take(page(clock, "a", token="walk", is_last=False))
    assert not begun.is_live
    assert begun.question().query == "_sync=walk"
    second = begun.take(page(clock, "b", token="t1"))

    assert begun.is_live
    assert [event.id for event in told(first + second) if event.id] == ["walk", "t1"]


@pytest.mark.clause("E-14.3")
def test_the_same_state_of_a_record_is_not_told_twice_in_a_row(live: Stream, clock: Clock) -> None:
    def tell(*ids: str) -> list[str]:
        live.move(Position(1, ""))
        live.question()
        return [event.data["id"] for event in told(live.take(page(clock, *ids))) if not event.id]

    assert tell("a", "b") == ["a", "b"]
    assert tell("a", "b", "c") == ["c"]
    # By now it has another timestamp.
    assert tell("c") == ["c"]


@pytest.mark.clause("E-14.2")
def test_outdated_tokens_are_reset_and_other_errors_end(clock: Clock) -> None:
    outdated, lost = made(clock), made(clock)

    reset = outdated.take(failed(clock, 410, 131, {"reason": "horizon"}))
    end = lost.take(failed(clock, 403, 121))

    assert told(reset) == [("reset", {"reason": "horizon"}, "")]
    assert told(end) == [("end", {"code": 403, "errno": 121}, None)]
    assert outdated.is_over
    assert lost.is_over


@pytest.mark.clause("E-14.5")
def test_a_move_is_a_question_and_one_during_the_answer_is_another(
    live: Stream, clock: Clock
) -> None:
    live.move(Position(5, "e"))
    assert live.question().query == "_sync=t1"
    live.move(Position(6, "e"))
    live.take(page(clock, "a", token="t2"))

    assert live.question().query == "_sync=t2"
    live.take(page(clock, token="t3"))
    assert live.question() is None


@pytest.mark.clause("E-14.5")
def test_streams_of_one_view_have_the_same_question(clock: Clock) -> None:
    both = [made(clock, client=b"me"), made(clock, client=b"you")]
    for one in both:
        one.take(page(clock, client=one.source.client))
        one.move(Position(5, "e"))

    questions = {one.question() for one in both}

    assert len(questions) == 1


@pytest.mark.clause("E-14.5")
@pytest.mark.parametrize("difference", ["position", "token", "application"])
def test_other_streams_have_others(clock: Clock, difference: str) -> None:
    is_alike = difference != "application"
    both = [made(clock, client=client, is_alike=is_alike) for client in (b"me", b"you")]
    for number, one in enumerate(both):
        token = f"t{number}" if difference == "token" else "t"
        one.take(page(clock, token=token, client=one.source.client))
        one.move(Position(number if difference == "position" else 5, "e"))

    assert len({one.question() for one in both}) == 2


@pytest.mark.clause("E-14.4")
def test_access_is_judged_again_in_time(live: Stream, clock: Clock) -> None:
    clock.now += RECHECK_SECONDS * 0.7
    assert live.question() is None
    clock.now += RECHECK_SECONDS * 0.2

    question = live.question()

    # The answer to somebody else is none to this client.
    assert question.shared_as == ("/mushrooms?", "t1", b"me")
    assert question.not_before >= clock.now - RECHECK_SECONDS / 2


@pytest.mark.clause("E-14.4")
def test_what_others_were_told_does_not_put_the_judgement_off(live: Any, clock: Clock) -> None:
    for _ in range(3):
        clock.now += RECHECK_SECONDS * 0.3
        live.move(Position(int(clock.now), "e"))
        question = live.question()
        live.take(page(clock, client=b"you"))

    assert question.shared_as[-1] == b"me"


@pytest.mark.clause("E-14.5")
def test_a_failing_service_is_asked_again_more_and_more_rarely(live: Stream, clock: Clock) -> None:
    pauses = []
    live.move(Position(5, "e"))
    for _ in range(8):
        while live.question() is None:
            clock.now += 0.01
            live.keep_alive()
        assert live.take(failed(clock, 503)) == b""
        live.move(Position(6, "e"))
        pauses.append(live._read_at - clock.now)

    assert pauses[0] <= 0.5
    assert RECHECK_SECONDS / 4 < pauses[-1] <= RECHECK_SECONDS
    assert not live.is_over
    clock.now += RECHECK_SECONDS
    live.question()
    assert names(live.take(page(clock, "a"))) == ["change", "checkpoint"]


@pytest.mark.clause("E-14.2")
def test_silence_is_broken_by_a_comment(live: Stream, clock: Clock) -> None:
    assert live.keep_alive() == b""
    clock.now += KEEP_ALIVE_SECONDS
    assert live.keep_alive() == b": keep-alive\n\n"
    assert live.keep_alive() == b""


@pytest.mark.clause("E-14.3")
def test_a_newer_token_is_told_at_the_next_sign_of_life(live: Stream, clock: Clock) -> None:
    """Others may write much that this client cannot see; its token must not grow old."""
    live.move(Position(5, "e"))
    live.question()
    assert live.take(page(clock, token="t2")) == b""

    clock.now += KEEP_ALIVE_SECONDS
    assert told(live.keep_alive()) == [("checkpoint", {"token": "t2"}, "t2")]


@pytest.mark.clause("E-14.6")
def test_a_stream_lasts_five_minutes_at_most_and_not_all_as_long(clock: Clock) -> None:
    ages = set()
    for _ in range(20):
        begun = made(clock)
        begin = clock.now
        while not begun.is_over:
            begun.take(page(clock))
            clock.now += 1
            begun.question()
        ages.add(clock.now - begin)

    assert MAX_AGE_SECONDS * 0.8 <= min(ages) < max(ages) <= MAX_AGE_SECONDS + 1
    assert len(ages) > 3


@pytest.mark.clause("E-14.5")
def test_what_is_remembered_is_bounded(live: Stream, clock: Clock) -> None:
    for number in range(3):
        live.take(page(clock, *(f"{number} {n}" for n in range(200))))

    assert len(live._last) == stream._MAX_REMEMBERED


@pytest.mark.clause("E-14.4", "E-14.5")
def test_one_judgement_counts_for_the_streams_of_its_client(clock: Clock, live: Stream) -> None:
    clock.now += 3
    live.confirm(page(clock))
    clock.now += 3

    assert live.question() is None
    clock.now += 1.5
    question = live.question()
    assert question is not None
    assert not question.is_urgent


@pytest.mark.clause("E-14.4", "E-14.5")
@pytest.mark.parametrize(
    "other",
    [
        {"client": b"somebody"},
        {"token": "t2"},
        {"is_last": False},
        {"judged_at": 1.0},
        {"status": 403},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_judgement_of_anything_else_does_not(clock: Clock, live: Stream, other: Any) -> None:
    clock.now += 3
    live.confirm(page(clock, **other))
    clock.now += 3

    assert live.question() is not None


@pytest.mark.clause("E-14.4", "E-14.5")
def test_a_stream_that_was_woken_meanwhile_is_asked_for(clock: Clock, live: Stream) -> None:
    live.move(Position(7, "e"))
    live.confirm(page(clock))
    live.confirm(page(clock, "a"))

    assert live.question() is not None


def test_all_streams_in_company_are_told_of_one_judgement_once(clock: Clock) -> None:
    company, told = Company(), []
    others = [made(clock) for _ in range(3)]
    for one in others:
        one.confirm = told.append
    with contextlib.ExitStack() as held:
        for one in others:
            held.enter_context(company.joined(one))
        judged = page(clock)
        for one in others:
            company.confirm(one, judged)
    company.confirm(others[0], page(clock))

    assert told == [judged] * 3
