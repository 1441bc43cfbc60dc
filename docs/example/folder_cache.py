"""An example of a backend of one's own: a cache that keeps each entry in a file of a folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from cliquet.cache import CacheBase


class Cache(CacheBase):
    """Entries are files with a time of expiry, a key and a value; the clock is that of the host."""

    def __init__(self, *, folder: str, cache_prefix: str) -> None:
        super().__init__(cache_prefix=cache_prefix)
        self.folder = Path(folder)

    def initialize_schema(self, dry_run: bool = False) -> None:
        if not dry_run:
            self.folder.mkdir(parents=True, exist_ok=True)

    def flush(self) -> None:
        for path in self.folder.iterdir():
            if (entry := self._read(path)) and entry["key"].startswith(self.prefix):
                path.unlink(missing_ok=True)

    def ttl(self, key: str) -> float:
        entry = self._read(self._path(key))
        return -1 if entry is None or entry["ends"] is None else entry["ends"] - time.time()

    def expire(self, key: str, ttl: float) -> None:
        if entry := self._read(self._path(key)):
            self._write(key, entry["value"], ttl)

    def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        self._write(key, value, ttl)

    def get(self, key: str) -> Any:
        entry = self._read(self._path(key))
        return entry and entry["value"]

    def delete(self, key: str) -> Any:
        value = self.get(key)
        self._path(key).unlink(missing_ok=True)
        return value

    def _path(self, key: str) -> Path:
        # A key is any text, and the name of a file is not.
        return self.folder / hashlib.sha256(json.dumps(self.prefix + key).encode()).hexdigest()

    def _write(self, key: str, value: Any, ttl: float | None) -> None:
        ends = None if ttl is None else time.time() + int(ttl * 1000) / 1000
        entry = {"ends": ends, "key": self.prefix + key, "value": value}
        try:
            text = json.dumps(entry, allow_nan=False)
        except ValueError as error:
            raise TypeError(f"JSON cannot carry this value: {error}") from error
        # A reader sees the former file or the new one, and never a part of it.
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(name, self._path(key))

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            entry: dict[str, Any] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return None if entry["ends"] is not None and entry["ends"] <= time.time() else entry


def load_from_config(config: Any) -> Cache:
    """Return the cache that the settings describe."""
    settings = config.get_settings()
    return Cache(folder=settings["cache_url"], cache_prefix=settings["cache_prefix"])
