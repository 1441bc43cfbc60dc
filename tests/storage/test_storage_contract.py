"""The storage in memory passes the contract."""

import pytest

from cliquet.storage.memory import Storage
from cliquet.testing.storage import StorageContract


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self):
        return Storage()
