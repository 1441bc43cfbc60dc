"""Batches of the limit: requests that are alike are one or two statements, written by hand."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson

__all__ = ["MemoryBatches", "PostgreSQLBatches", "SQLiteBatches"]

Found = list[tuple[int, bytes]]

_ADVANCED = """
    c AS (
        UPDATE counter SET live = live - %s, last_modified = greatest(last_modified + 1,
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint) + %s
        RETURNING last_modified
    ), given AS (
        SELECT value->>'id' AS id, value, ordinality AS n, c.last_modified - %s + ordinality AS at
        FROM c, jsonb_array_elements(%s::jsonb) WITH ORDINALITY
    )
"""


class PostgreSQLBatches:
    """What a batch sends to PostgreSQL."""

    _run: Any
    create: Any

    def _change(self, statement: str, records: list[Any], *, gone: int = 0) -> list[Any]:
        number, text = len(records), orjson.dumps(records).decode()
        found: list[Any] = self._run(
            f"WITH {_ADVANCED}, {statement}", gone, number - 1, number, text
        )
        return found

    def get_all(self, ids: list[str]) -> Found:
        text = "(data || jsonb_build_object('last_modified', last_modified))::text"
        rows = self._run(f"SELECT id, last_modified, {text} FROM records WHERE id = ANY (%s)", ids)
        found = {record_id: (at, data.encode()) for record_id, at, data in rows}
        return [found[one] for one in ids]

    def put_all(self, user: str, records: list[dict[str, Any]]) -> list[int]:
        rows = self._change(
            "w AS (UPDATE records r SET last_modified = at, data = value FROM given"
            " WHERE r.id = given.id RETURNING n, at) SELECT at FROM w ORDER BY n",
            records,
        )
        return [at for (at,) in rows] or list(self.create(user, records))

    def merge_all(self, changes: list[dict[str, Any]]) -> Found:
        rows = self._change(
            "w AS (UPDATE records r SET last_modified = at, data = r.data || value FROM given"
            " WHERE r.id = given.id RETURNING n, at,"
            " (r.data || jsonb_build_object('last_modified', at))::text AS data)"
            " SELECT at, data FROM w ORDER BY n",
            changes,
        )
        return [(at, data.encode()) for at, data in rows]

    def delete_all(self, ids: list[str]) -> list[int]:
        rows = self._change(
            "d AS (DELETE FROM records r USING given WHERE r.id = given.id),"
            " a AS (DELETE FROM aces USING given WHERE object_id = '/mushrooms/' || given.id)"
            " SELECT at FROM given ORDER BY n",
            [{"id": one} for one in ids],
            gone=len(ids),
        )
        return [at for (at,) in rows]


class SQLiteBatches:
    """What a batch does in SQLite."""

    _connection: Any
    _writing: Any
    _text: Any
    create: Any

    def get_all(self, ids: list[str]) -> Found:
        places = ", ".join("?" * len(ids))
        rows = self._connection().execute(
            f"SELECT id, last_modified, data FROM records WHERE id IN ({places})", ids
        )
        found = {record_id: (at, self._text(data, at)) for record_id, at, data in rows}
        return [found[one] for one in ids]

    def put_all(self, user: str, records: list[dict[str, Any]]) -> list[int]:
        rows = [(orjson.dumps(record).decode(), record["id"]) for record in records]
        with contextlib.suppress(LookupError), self._writing(0, len(rows)) as (connection, first):
            changed = connection.executemany(
                "UPDATE records SET last_modified = ?, data = ? WHERE id = ?",
                [(at, *row) for at, row in enumerate(rows, first)],
            ).rowcount
            if not changed:
                raise LookupError
            return list(range(first, first + len(rows)))
        return list(self.create(user, records))

    def merge_all(self, changes: list[dict[str, Any]]) -> Found:
        ids = [one["id"] for one in changes]
        places = ", ".join("?" * len(ids))
        with self._writing(0, len(ids)) as (connection, first):
            texts = dict(
                connection.execute(f"SELECT id, data FROM records WHERE id IN ({places})", ids)
            )
            rows = [
                (at, orjson.dumps({**orjson.loads(texts[one["id"]]), **one}).decode(), one["id"])
                for at, one in enumerate(changes, first)
            ]
            connection.executemany(
                "UPDATE records SET last_modified = ?, data = ? WHERE id = ?", rows
            )
        return [(at, self._text(data, at)) for at, data, _ in rows]

    def delete_all(self, ids: list[str]) -> list[int]:
        with self._writing(-len(ids), len(ids)) as (connection, first):
            connection.executemany("DELETE FROM records WHERE id = ?", [(one,) for one in ids])
            connection.executemany(
                "DELETE FROM aces WHERE object_id = ?", [(f"/mushrooms/{one}",) for one in ids]
            )
        return list(range(first, first + len(ids)))


class MemoryBatches:
    """What a batch does in memory."""

    _lock: Any
    _records: Any
    _stamp: Any
    _text: Any
    _write: Any

    def get_all(self, ids: list[str]) -> Found:
        return [(found[0], self._text(found)) for found in map(self._records.get, ids)]

    def put_all(self, user: str, records: list[dict[str, Any]]) -> list[int]:
        with self._lock:
            return [self._write(record) for record in records]

    def merge_all(self, changes: list[dict[str, Any]]) -> Found:
        with self._lock:
            merged = [{**self._records[one["id"]][1], **one} for one in changes]
            written = [(self._write(record), record) for record in merged]
        return [(pair[0], self._text(pair)) for pair in written]

    def delete_all(self, ids: list[str]) -> list[int]:
        with self._lock:
            for one in ids:
                del self._records[one]
            return [self._stamp() for _ in ids]
