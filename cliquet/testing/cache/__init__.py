"""The contract of a cache, as tests that any backend can run.

::

    class TestMyCache(CacheContract, CachePrefixContract):
        @pytest.fixture
        def cache(self): ...

        @pytest.fixture
        def prefixed_cache(self, cache): ...

``cache`` gives an empty cache with an empty prefix. ``prefixed_cache``, which only
:class:`CachePrefixContract` needs, gives another cache with the same entries, whose
``cache_prefix`` is :data:`PREFIX`.
"""

from cliquet.testing.cache.cache_heartbeat_contract import CacheHeartbeatContract
from cliquet.testing.cache.concurrency import CacheConcurrencyContract
from cliquet.testing.cache.entries import EntriesContract
from cliquet.testing.cache.expiry import ExpiryContract
from cliquet.testing.cache.prefix import PREFIX, CachePrefixContract

__all__ = ["PREFIX", "CacheContract", "CachePrefixContract"]


class CacheContract(
    EntriesContract, ExpiryContract, CacheConcurrencyContract, CacheHeartbeatContract
):
    """The behaviour of every cache, whatever its prefix."""
