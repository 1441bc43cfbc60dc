"""A PUT that is permitted whether it creates or replaces a record, and what its context tells."""

from typing import Any

import pytest
from pyramid.events import ContextFound
from support.sharing import COLLECTION, UNKNOWN_ID, URL, Toadstool, make_sharing_app
from webtest import TestApp

from cliquet.events import ResourceChanged
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("P-25.7", "X-3")

MAT = basic_auth("mat")
PATH = f"{URL}/{UNKNOWN_ID}"
OPEN = {f"toadstool_{name}_principals": "system.Authenticated" for name in ("create", "write")}


class Seen(list[Any]):
    """What the contexts of requests tell at some moments."""

    event: Any = None

    def see(self, event: Any) -> None:
        context = event.request.context
        current = context.current_record
        self.append(
            (
                context.required_permission,
                context.permission_object_id,
                context.allowed_principals,
                None if current is None else current["name"],
            )
        )


def app_of(event: Any = None, settings: dict[str, str] = OPEN, **options: Any) -> tuple[Any, Seen]:
    seen = Seen()

    def configure(config: Any) -> None:
        if event is not None:
            config.add_subscriber(seen.see, event)

    return make_sharing_app(settings=settings, configure=configure, **options), seen


def put(app: TestApp, name: str, status: int) -> None:
    app.put_json(PATH, {"data": {"name": name}}, headers=MAT, status=status)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The reads of records by models."""
    made: list[Any] = []
    model = Toadstool.default_model
    read = model.get_record

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return read(self, *args, **kwargs)

    monkeypatch.setattr(model, "get_record", counting)
    return made


def test_the_record_is_read_once(reads: list[Any]) -> None:
    app, _ = app_of()
    for name, status in (("first", 201), ("second", 200)):
        reads.clear()
        put(app, name, status)
        assert len(reads) == 1
    assert app.get(PATH, headers=MAT).json["data"]["name"] == "second"


EXPECTED = [
    ("create", COLLECTION, ["system.Authenticated"], None),
    ("write", PATH.removeprefix("/v0"), ["system.Authenticated"], "first"),
]


@pytest.mark.parametrize("event", [ContextFound, ResourceChanged])
def test_whoever_asks_is_told_what_is_required(event: type) -> None:
    app, seen = app_of(event)

    put(app, "first", 201)
    put(app, "second", 200)

    assert seen == EXPECTED


def test_an_endpoint_of_the_application_is_told_too() -> None:
    class Own(Toadstool):
        def put(self) -> Any:
            body = super().put()
            told.see(self)
            return body

    told = Seen()
    Own.__name__ = "Toadstool"
    app, _ = app_of(resources=[Own])

    put(app, "first", 201)
    put(app, "second", 200)

    assert told == EXPECTED


@pytest.mark.parametrize(("granted", "statuses"), [("create", (201, 200)), ("write", (403, 403))])
def test_who_may_do_only_one_of_both_is_judged_by_the_record(
    granted: str, statuses: tuple[int, int]
) -> None:
    app, _ = app_of(settings={f"toadstool_{granted}_principals": "system.Authenticated"})

    # Who creates a record may write it.
    for status in statuses:
        put(app, "any", status)


def test_a_put_that_is_refused_settles_nothing() -> None:
    app, _ = app_of(settings=dict.fromkeys(OPEN, "basicauth:nobody"))

    put(app, "any", 403)
    app.put_json(PATH, {"data": {"name": "any"}}, status=401)
