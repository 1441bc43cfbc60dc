"""What a quick run does with the objects that its tests leave behind."""

import pytest
from support import garbage


class Collector:
    """Stands for the garbage collector of Python, which the other tests need as it is."""

    def __init__(self, made_by_each: int) -> None:
        self.calls: list[str] = []
        self._made_by_each = made_by_each

    def get_count(self) -> tuple[int, int, int]:
        return self._made_by_each, 0, 0

    def freeze(self) -> None:
        self.calls.append("freeze")

    def unfreeze(self) -> None:
        self.calls.append("unfreeze")

    def collect(self) -> None:
        self.calls.append("collect")


def test_all_is_left_alone_until_there_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector(made_by_each=garbage.MOST_OBJECTS // 2)
    monkeypatch.setattr(garbage, "gc", collector)
    kept = garbage.KeptGarbage()

    for _ in range(4):
        kept.pytest_runtest_teardown()

    assert " ".join(collector.calls) == "freeze freeze unfreeze collect freeze freeze"
