"""The contract of a storage, as tests that any backend can run.

A backend fulfils the contract if these tests pass, with a fixture that gives an empty storage::

    from cliquet.testing.storage import StorageContract

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self):
            storage = MyStorage()
            storage.initialize_schema()
            yield storage
            storage.flush()

For a storage that applies each write at once, and cannot take part in the transaction of a request,
the base class is :class:`UntransactedStorageContract`. No test needs to be overridden.

The tests have the marker ``clause``, which the configuration of pytest must declare.
"""

from cliquet.testing.storage.changes import ChangeTests
from cliquet.testing.storage.changing import SeveralChangesTests
from cliquet.testing.storage.concurrency import ConcurrencyTests
from cliquet.testing.storage.creating import CreationTests
from cliquet.testing.storage.deletion import DeletionTests
from cliquet.testing.storage.departures import DepartureTests, TransactedDepartureTests
from cliquet.testing.storage.extremes import ExtremeQueryTests
from cliquet.testing.storage.filters import FilterTests
from cliquet.testing.storage.finding import FindingTests
from cliquet.testing.storage.forgetting import ForgettingTests
from cliquet.testing.storage.history import HistoryTests, TransactedHistoryTests
from cliquet.testing.storage.imports import TransactedTransferTests, TransferTests
from cliquet.testing.storage.joint import JointReadTests
from cliquet.testing.storage.listing import ListingTests
from cliquet.testing.storage.names import NameTests
from cliquet.testing.storage.pages import PageTests
from cliquet.testing.storage.pagination import PaginationTests
from cliquet.testing.storage.records import RecordTests
from cliquet.testing.storage.rewinding import RewindTests
from cliquet.testing.storage.slices import SliceTests
from cliquet.testing.storage.sorting import SortingTests
from cliquet.testing.storage.timestamps import TimestampTests
from cliquet.testing.storage.transactions import AtomicTests, TransactionTests
from cliquet.testing.storage.unicity import UnicityTests
from cliquet.testing.storage.watching import TransactedWatchingTests, WatchingTests

__all__ = [
    "AtomicTests",
    "ChangeTests",
    "ConcurrencyTests",
    "CreationTests",
    "DeletionTests",
    "DepartureTests",
    "ExtremeQueryTests",
    "FilterTests",
    "FindingTests",
    "ForgettingTests",
    "HistoryTests",
    "JointReadTests",
    "ListingTests",
    "NameTests",
    "PageTests",
    "PaginationTests",
    "RecordTests",
    "RewindTests",
    "SeveralChangesTests",
    "SliceTests",
    "SortingTests",
    "StorageContract",
    "TimestampTests",
    "TransactedDepartureTests",
    "TransactedHistoryTests",
    "TransactedTransferTests",
    "TransactedWatchingTests",
    "TransactionTests",
    "TransferTests",
    "UnicityTests",
    "UntransactedStorageContract",
    "WatchingTests",
]


class UntransactedStorageContract(
    RecordTests,
    TimestampTests,
    FindingTests,
    JointReadTests,
    ListingTests,
    NameTests,
    PageTests,
    FilterTests,
    SortingTests,
    PaginationTests,
    ExtremeQueryTests,
    UnicityTests,
    CreationTests,
    SeveralChangesTests,
    DeletionTests,
    SliceTests,
    ForgettingTests,
    HistoryTests,
    DepartureTests,
    ChangeTests,
    ConcurrencyTests,
    AtomicTests,
    TransferTests,
    RewindTests,
    WatchingTests,
):
    """The behaviour of every storage."""


class StorageContract(
    TransactedTransferTests,
    TransactedHistoryTests,
    TransactedDepartureTests,
    TransactedWatchingTests,
    UntransactedStorageContract,
    TransactionTests,
):
    """The behaviour of a storage that takes part in the transaction of a request."""
