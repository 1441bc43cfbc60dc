"""The contract of a cache, as tests that any backend can run.

::

    class TestMyCache(CacheContract, CachePrefixContract):
        @pytest.fixture
        def cache(self): ...

        @pytest.fixture
        def prefixed_cache(self, cache): ...

``cache`` gives an empty cache whose prefix is empty; ``prefixed_cache``, which
:class:`CachePrefixContract` alone needs, another one on the same entries, whose ``cache_prefix``
is :data:`PREFIX`.
"""

from cliquet.testing.cache.concurrency import CacheConcurrencyContract
from cliquet.testing.cache.entries import EntriesContract
from cliquet.testing.cache.expiry import ExpiryContract
from cliquet.testing.cache.heartbeat import CacheHeartbeatContract
from cliquet.testing.cache.prefix import PREFIX, CachePrefixContract

__all__ = ["PREFIX", "CacheContract", "CachePrefixContract"]


class CacheContract(
    EntriesContract, ExpiryContract, CacheConcurrencyContract, CacheHeartbeatContract
):
    """What every cache does, whatever its prefix."""
