"""The tests that every storage passes, those written elsewhere included.

A backend is accepted when this passes, with a fixture that gives an empty storage::

    from cliquet.testing.storage import StorageContract

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self):
            storage = MyStorage()
            storage.initialize_schema()
            yield storage
            storage.flush()

A storage that applies each write at once, and cannot take part in the request's transaction, takes
:class:`UntransactedStorageContract` instead. No test needs to be overridden.

The tests bear the marker ``clause``, to be declared in the configuration of pytest.
"""

from cliquet.testing.storage.concurrency import ConcurrencyTests
from cliquet.testing.storage.deletion import DeletionTests
from cliquet.testing.storage.extremes import ExtremeQueryTests
from cliquet.testing.storage.filters import FilterTests
from cliquet.testing.storage.forgetting import ForgettingTests
from cliquet.testing.storage.listing import ListingTests
from cliquet.testing.storage.names import NameTests
from cliquet.testing.storage.pages import PageTests
from cliquet.testing.storage.pagination import PaginationTests
from cliquet.testing.storage.records import RecordTests
from cliquet.testing.storage.rewinding import RewindTests
from cliquet.testing.storage.sorting import SortingTests
from cliquet.testing.storage.timestamps import TimestampTests
from cliquet.testing.storage.transactions import AtomicTests, TransactionTests
from cliquet.testing.storage.transfer import TransactedTransferTests, TransferTests
from cliquet.testing.storage.unicity import UnicityTests

__all__ = [
    "AtomicTests",
    "ConcurrencyTests",
    "DeletionTests",
    "ExtremeQueryTests",
    "FilterTests",
    "ForgettingTests",
    "ListingTests",
    "NameTests",
    "PageTests",
    "PaginationTests",
    "RecordTests",
    "RewindTests",
    "SortingTests",
    "StorageContract",
    "TimestampTests",
    "TransactedTransferTests",
    "TransactionTests",
    "TransferTests",
    "UnicityTests",
    "UntransactedStorageContract",
]


class UntransactedStorageContract(
    RecordTests,
    TimestampTests,
    ListingTests,
    NameTests,
    PageTests,
    FilterTests,
    SortingTests,
    PaginationTests,
    ExtremeQueryTests,
    UnicityTests,
    DeletionTests,
    ForgettingTests,
    ConcurrencyTests,
    AtomicTests,
    TransferTests,
    RewindTests,
):
    """What holds of every storage."""


class StorageContract(TransactedTransferTests, UntransactedStorageContract, TransactionTests):
    """What holds of a storage that takes part in the request's transaction."""
