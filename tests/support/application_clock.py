"""What storages promise that take the time from the clock of the application."""

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.testing.storage.common import HOME, OTHER_PARENT, create, listed, timestamp
from support.clocks import NOW_MS, Clock


class ApplicationClockTests:
    """Tests of timestamps, for the fixtures `storage` and `clock`."""

    @pytest.mark.clause("B-4.4", "B-4.6", "P-35.19")
    def test_timestamps_come_from_the_clock_of_the_application(
        self, storage: StorageBase, clock: Clock
    ) -> None:
        first = create(storage)
        clock.now += 50

        second = create(storage)

        assert first["last_modified"] == clock.now - 50
        assert second["last_modified"] == clock.now

    @pytest.mark.clause("B-4.4", "B-4.6")
    @pytest.mark.parametrize("past", [NOW_MS - 1, 9, 0, -5])
    @pytest.mark.parametrize("is_atomic", [False, True])
    def test_a_clock_set_back_does_not_set_the_timestamps_back(
        self, storage: StorageBase, clock: Clock, past: int, is_atomic: bool
    ) -> None:
        before = create(storage)["last_modified"]
        clock.now = past

        record = storage.atomic(lambda: create(storage), **HOME) if is_atomic else create(storage)

        assert record["last_modified"] == before + 1 == timestamp(storage)
        assert storage.collection_timestamp(**OTHER_PARENT) == past

    @pytest.mark.clause("B-4.7")
    @pytest.mark.parametrize("supplied", ["12", 12.0, True, [12]])
    @pytest.mark.parametrize("is_atomic", [False, True])
    def test_a_timestamp_that_is_no_integer_is_refused(
        self, storage: StorageBase, supplied: object, is_atomic: bool
    ) -> None:
        def write() -> Any:
            return create(storage, last_modified=supplied)

        with pytest.raises(TypeError):
            storage.atomic(write, **HOME) if is_atomic else write()

        assert listed(storage) == []
