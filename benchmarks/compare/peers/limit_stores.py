"""What the limit stores its records with: statements for one resource, written by hand."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
from limit_batches import MemoryBatches, PostgreSQLBatches, SQLiteBatches

SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (n INTEGER PRIMARY KEY, last_modified BIGINT, live BIGINT);
CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY, last_modified BIGINT NOT NULL UNIQUE, data {json} NOT NULL
);
CREATE TABLE IF NOT EXISTS aces (object_id TEXT, permission TEXT, principal TEXT,
    PRIMARY KEY (object_id, permission, principal));
CREATE INDEX IF NOT EXISTS records_by_size ON records ({size}, {name}, last_modified);
INSERT INTO counter VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
"""

PAGE = """
SELECT c.last_modified, {total}, r.data
FROM counter c LEFT JOIN (
    SELECT {data} AS data, {order} FROM records {where} ORDER BY {order} {limit}
) r ON true
"""


class PostgreSQLStore(PostgreSQLBatches):
    """One connection for each thread; a write is one statement."""

    def __init__(self, url: str) -> None:
        import psycopg2

        self._url = url
        self._local = threading.local()
        self._connect = psycopg2.connect
        names = {"json": "JSONB", "size": "(data->'size')", "name": "(data->'name')"}
        self._run(SCHEMA.format(**names))

    def _run(self, statement: str, *values: Any) -> Any:
        cursor = getattr(self._local, "cursor", None)
        if cursor is None:
            connection = self._connect(self._url)
            connection.autocommit = True
            cursor = self._local.cursor = connection.cursor()
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def timestamp(self) -> int:
        return int(self._run("SELECT last_modified FROM counter")[0][0])

    _TEXT = "(data || jsonb_build_object('last_modified', last_modified))::text"

    def get(self, record_id: str) -> tuple[int, bytes] | None:
        found = self._run(
            f"SELECT last_modified, {self._TEXT} FROM records WHERE id = %s", record_id
        )
        return (found[0][0], found[0][1].encode()) if found else None

    def page(self, limit: int | None, size: int | None) -> tuple[int, int, list[bytes]]:
        is_filtered = size is not None
        total = "(SELECT count(*) FROM records WHERE data->'size' = to_jsonb(%s))"
        statement = PAGE.format(
            total=total if is_filtered else "c.live",
            data=self._TEXT,
            order="data->'name' DESC" if is_filtered else "last_modified DESC",
            where="WHERE data->'size' = to_jsonb(%s)" if is_filtered else "",
            limit="" if limit is None else "LIMIT %s",
        ).replace(", data->'name' DESC FROM", " FROM")
        values = ([size, size] if is_filtered else []) + ([] if limit is None else [limit])
        rows = self._run(statement, *values)
        return rows[0][0], rows[0][1], [row[2].encode() for row in rows if row[2] is not None]

    def create(self, user: str, records: list[dict[str, Any]]) -> list[int]:
        rows = self._run(
            """
            WITH c AS (
                UPDATE counter SET live = live + %s, last_modified = greatest(last_modified + 1,
                    (extract(epoch FROM clock_timestamp()) * 1000)::bigint) + %s
                RETURNING last_modified
            ), new AS (
                SELECT value->>'id' AS id, value, c.last_modified - %s + ordinality AS at
                FROM c, jsonb_array_elements(%s::jsonb) WITH ORDINALITY
            ), r AS (INSERT INTO records SELECT id, at, value FROM new),
            a AS (INSERT INTO aces SELECT '/mushrooms/' || id, 'write', %s FROM new)
            SELECT at FROM new
            """,
            len(records),
            len(records) - 1,
            len(records),
            orjson.dumps(records).decode(),
            user,
        )
        return [at for (at,) in rows]

    _STAMP = """
        WITH c AS (
            UPDATE counter SET last_modified = greatest(last_modified + 1,
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
            RETURNING last_modified
        )
        UPDATE records r SET last_modified = c.last_modified, data = {data}
        FROM c WHERE r.id = %s RETURNING r.last_modified, (r.data
            || jsonb_build_object('last_modified', r.last_modified))::text
    """

    def replace(self, record: dict[str, Any]) -> int:
        text = orjson.dumps(record).decode()
        rows = self._run(self._STAMP.format(data="%s::jsonb"), text, record["id"])
        return int(rows[0][0])

    def merge(self, record_id: str, changes: dict[str, Any]) -> tuple[int, bytes]:
        text = orjson.dumps(changes).decode()
        ((timestamp, data),) = self._run(
            self._STAMP.format(data="r.data || %s::jsonb"), text, record_id
        )
        return timestamp, data.encode()


class SQLiteStore(SQLiteBatches):
    """One connection for each thread; a write is one short transaction."""

    def __init__(self, url: str) -> None:
        self._path = url.removeprefix("sqlite:///")
        self._local = threading.local()
        names = {"json": "TEXT", "size": "data->'$.size'", "name": "data->'$.name'"}
        self._connection().executescript(SCHEMA.format(**names))

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
            connection.execute("PRAGMA journal_mode=wal")
            # A write that was answered is on the disk, as the library has it.
            connection.execute("PRAGMA synchronous=full")
            self._local.connection = connection
        return connection

    @contextlib.contextmanager
    def _writing(self, created: int, stamps: int) -> Iterator[tuple[sqlite3.Connection, int]]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            ((last,),) = connection.execute(
                "UPDATE counter SET live = live + ?, last_modified = max(last_modified + 1, ?) + ?"
                " RETURNING last_modified",
                (created, time.time_ns() // 1_000_000, stamps - 1),
            ).fetchall()
            yield connection, last - stamps + 1
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def timestamp(self) -> int:
        return int(self._connection().execute("SELECT last_modified FROM counter").fetchone()[0])

    @staticmethod
    def _text(data: str, timestamp: int) -> bytes:
        return f'{data[:-1]},"last_modified":{timestamp}}}'.encode()

    def get(self, record_id: str) -> tuple[int, bytes] | None:
        found = (
            self._connection()
            .execute("SELECT last_modified, data FROM records WHERE id = ?", (record_id,))
            .fetchone()
        )
        return None if found is None else (found[0], self._text(found[1], found[0]))

    def page(self, limit: int | None, size: int | None) -> tuple[int, int, list[bytes]]:
        connection = self._connection()
        connection.execute("BEGIN")
        timestamp, live = connection.execute("SELECT last_modified, live FROM counter").fetchone()
        where, order, values = "", "last_modified DESC", []
        if size is not None:
            where, order, values = "WHERE data->'$.size' = ?", "data->'$.name' DESC", [str(size)]
            (live,) = connection.execute(f"SELECT count(*) FROM records {where}", values).fetchone()
        rows = connection.execute(
            f"SELECT last_modified, data FROM records {where} ORDER BY {order} LIMIT ?",
            [*values, -1 if limit is None else limit],
        ).fetchall()
        connection.execute("COMMIT")
        return timestamp, live, [self._text(data, at) for at, data in rows]

    def create(self, user: str, records: list[dict[str, Any]]) -> list[int]:
        with self._writing(len(records), len(records)) as (connection, first):
            connection.executemany(
                "INSERT INTO records VALUES (?, ?, ?)",
                [
                    (record["id"], first + number, orjson.dumps(record).decode())
                    for number, record in enumerate(records)
                ],
            )
            connection.executemany(
                "INSERT INTO aces VALUES (?, 'write', ?)",
                [(f"/mushrooms/{record['id']}", user) for record in records],
            )
        return list(range(first, first + len(records)))

    def replace(self, record: dict[str, Any]) -> int:
        with self._writing(0, 1) as (connection, timestamp):
            connection.execute(
                "UPDATE records SET last_modified = ?, data = ? WHERE id = ?",
                (timestamp, orjson.dumps(record).decode(), record["id"]),
            )
        return timestamp

    def merge(self, record_id: str, changes: dict[str, Any]) -> tuple[int, bytes]:
        with self._writing(0, 1) as (connection, timestamp):
            (text,) = connection.execute(
                "SELECT data FROM records WHERE id = ?", (record_id,)
            ).fetchone()
            data = orjson.dumps({**orjson.loads(text), **changes}).decode()
            connection.execute(
                "UPDATE records SET last_modified = ?, data = ? WHERE id = ?",
                (timestamp, data, record_id),
            )
        return timestamp, self._text(data, timestamp)


class MemoryStore(MemoryBatches):
    """A dictionary of JSON texts, in the order of the timestamps."""

    def __init__(self, url: str) -> None:
        self._records: dict[str, tuple[int, dict[str, Any]]] = {}
        self._last = 0
        self._lock = threading.Lock()

    def _stamp(self) -> int:
        self._last = max(self._last + 1, time.time_ns() // 1_000_000)
        return self._last

    def timestamp(self) -> int:
        return self._last

    @staticmethod
    def _text(found: tuple[int, dict[str, Any]]) -> bytes:
        return orjson.dumps({**found[1], "last_modified": found[0]})

    def get(self, record_id: str) -> tuple[int, bytes] | None:
        found = self._records.get(record_id)
        return None if found is None else (found[0], self._text(found))

    def page(self, limit: int | None, size: int | None) -> tuple[int, int, list[bytes]]:
        with self._lock:
            timestamp, found = self._last, list(self._records.values())
        if size is None:
            found.reverse()
        else:
            found = [one for one in found if one[1]["size"] == size]
            found.sort(key=lambda one: one[1]["name"], reverse=True)
        return timestamp, len(found), [self._text(one) for one in found[:limit]]

    def create(self, user: str, records: list[dict[str, Any]]) -> list[int]:
        with self._lock:
            return [self._write(record) for record in records]

    def _write(self, record: dict[str, Any]) -> int:
        timestamp = self._stamp()
        # At the end: the dictionary is in the order of the timestamps.
        self._records.pop(record["id"], None)
        self._records[record["id"]] = (timestamp, record)
        return timestamp

    def replace(self, record: dict[str, Any]) -> int:
        with self._lock:
            return self._write(record)

    def merge(self, record_id: str, changes: dict[str, Any]) -> tuple[int, bytes]:
        with self._lock:
            record = {**self._records[record_id][1], **changes}
            timestamp = self._write(record)
        return timestamp, self._text((timestamp, record))
