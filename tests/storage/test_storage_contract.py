"""The storage in memory passes the contract."""

from typing import Any

import pytest

from cliquet.storage.memory import Storage
from cliquet.testing.storage import StorageContract


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> Any:
        return Storage()
