from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cliquet import storage as storage_package
from cliquet.storage import heartbeat
from cliquet.storage.exceptions import BackendError, RecordNotFoundError
from cliquet.storage.memory import Storage

DELETES, CREATES = 0.5, 0.6
PLACE = {"collection_id": "__heartbeat__", "parent_id": "__heartbeat__"}


class Spy(Storage):
    """Notes the calls, and fails in the methods named."""

    def __init__(self, *failing: Any) -> None:
        super().__init__()
        self.calls = []
        self.failing = failing

    def _note(self, name: Any, options: Any) -> None:
        self.calls.append((name, options))
        if name in self.failing:
            raise BackendError(ValueError("down"))

    def get_all(self, **options: Any) -> Any:
        self._note("get_all", options)
        return super().get_all(**options)

    def create(self, **options: Any) -> Any:
        self._note("create", options)
        return super().create(**options)

    def delete(self, **options: Any) -> Any:
        self._note("delete", options)
        return super().delete(**options)

    def delete_all(self, **options: Any) -> Any:
        self._note("delete_all", options)
        return super().delete_all(**options)

    @property
    def names(self) -> list[Any]:
        return [name for name, _ in self.calls]


@pytest.fixture
def request_() -> Any:
    registry = SimpleNamespace(settings={"readonly": False})
    return SimpleNamespace(registry=registry, headers={"Authorization": "Basic bWF0OjE="})


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_draw(value: Any) -> None:
        monkeypatch.setattr(storage_package, "random", SimpleNamespace(random=lambda: value))

    return set_draw


@pytest.mark.clause("B-17.1", "B-17.2", "B-17.3", "P-6.5", "P-35.19")
@pytest.mark.parametrize(
    ("value", "names"), [(DELETES, ["delete_all"]), (CREATES, ["create", "delete"])]
)
def test_the_draw_decides_what_is_tried(
    request_: SimpleNamespace, draw: Callable[..., Any], value: float, names: list[Any]
) -> None:
    draw(value)
    storage = Spy()

    assert heartbeat(storage)(request_) is True

    assert storage.names == names
    for _, options in storage.calls:
        assert options["auth"] == "Basic bWF0OjE="
        assert options.items() >= PLACE.items()


@pytest.mark.clause("B-17.3", "P-6.5")
def test_the_record_written_has_one_true_field(
    request_: SimpleNamespace, draw: Callable[..., Any]
) -> None:
    draw(CREATES)
    storage = Spy()

    heartbeat(storage)(request_)

    assert storage.calls[0][1]["record"] == {"__heartbeat__": True}


@pytest.mark.clause("B-17.2", "B-17.4", "P-6.5")
@pytest.mark.parametrize("readonly", [True, "true", "1"])
def test_a_read_only_service_only_reads(
    request_: SimpleNamespace, draw: Callable[..., Any], readonly: bool | str
) -> None:
    draw(CREATES)
    request_.registry.settings["readonly"] = readonly
    storage = Spy()

    assert heartbeat(storage)(request_) is True

    assert storage.names == ["get_all"]


@pytest.mark.clause("B-17.4")
def test_the_setting_is_read_at_each_call(
    request_: SimpleNamespace, draw: Callable[..., Any]
) -> None:
    draw(DELETES)
    storage = Spy()
    ping = heartbeat(storage)
    ping(request_)

    request_.registry.settings["readonly"] = "true"
    ping(request_)
    request_.registry.settings["readonly"] = "false"
    ping(request_)

    assert storage.names == ["delete_all", "get_all", "delete_all"]


@pytest.mark.clause("B-17.1", "P-6.5", "P-35.19")
@pytest.mark.parametrize(
    ("failing", "value", "readonly"),
    [
        ("delete_all", DELETES, False),
        ("create", CREATES, False),
        ("delete", CREATES, False),
        ("get_all", DELETES, True),
    ],
)
def test_a_failure_is_logged_and_answered_false(
    request_: SimpleNamespace,
    draw: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    value: float,
    readonly: bool,
) -> None:
    draw(value)
    request_.registry.settings["readonly"] = readonly
    logged = []
    monkeypatch.setattr(storage_package, "logger", SimpleNamespace(exception=logged.append))

    assert heartbeat(Spy(failing))(request_) is False

    assert len(logged) == 1


@pytest.mark.clause("B-17.1")
def test_a_request_that_cannot_be_read_is_answered_false(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = []
    monkeypatch.setattr(storage_package, "logger", SimpleNamespace(exception=logged.append))

    assert heartbeat(Storage())(SimpleNamespace()) is False
    assert len(logged) == 1


@pytest.mark.clause("B-22.30", "B-17.7", "B-21.39", "H-3.13")
@pytest.mark.parametrize("value", [DELETES, CREATES])
def test_a_hundred_heartbeats_leave_no_trace(
    request_: SimpleNamespace, draw: Callable[..., Any], value: float
) -> None:
    storage = Storage()
    storage.create("mushroom", "alice", {"id": "mine"})
    before = storage.collection_timestamp("mushroom", "alice")
    draw(value)

    assert all(heartbeat(storage)(request_) for _ in range(100))

    assert storage.get_all(**PLACE, include_deleted=True) == ([], 0)  # type: ignore[arg-type]
    assert storage.collection_timestamp("mushroom", "alice") == before
    assert storage.count_all("mushroom", "alice") == 1


@pytest.mark.clause("B-22.30", "B-21.39")
def test_records_left_by_a_process_that_died_are_erased(
    request_: SimpleNamespace, draw: Callable[..., Any]
) -> None:
    draw(DELETES)
    storage = Storage()
    storage.create(**PLACE, record={"__heartbeat__": True})  # type: ignore[arg-type]

    heartbeat(storage)(request_)

    assert storage.get_all(**PLACE, include_deleted=True) == ([], 0)  # type: ignore[arg-type]


@pytest.mark.clause("B-17.7")
def test_the_record_may_be_deleted_by_another_process(
    request_: SimpleNamespace, draw: Callable[..., Any]
) -> None:
    class Emptied(Storage):
        def delete(self, **options: Any) -> None:
            raise RecordNotFoundError(options["object_id"])

    draw(CREATES)

    assert heartbeat(Emptied())(request_) is True
