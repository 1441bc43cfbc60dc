"""The cache of the guide to backends keeps the promises of all caches."""

from __future__ import annotations

from pathlib import Path

import pytest
from folder_cache import Cache

from cliquet.testing.cache import PREFIX, CacheContract, CachePrefixContract


class TestFolderCache(CacheContract, CachePrefixContract):
    @pytest.fixture
    def cache(self, tmp_path: Path) -> Cache:
        return Cache(folder=str(tmp_path), cache_prefix="")

    @pytest.fixture
    def prefixed_cache(self, cache: Cache) -> Cache:
        return Cache(folder=str(cache.folder), cache_prefix=PREFIX)
