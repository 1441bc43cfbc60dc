"""The texts of SQLite in the statements about permissions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cliquet.connections.sql import SQL
from cliquet.core import jsonio
from cliquet.permission.relational.dialect import PermissionDialect

__all__ = ["SQLitePermissionDialect"]


class SQLitePermissionDialect(PermissionDialect):
    """Hands lists over as JSON texts."""

    among = "IN (SELECT value FROM json_each(%s))"
    among_query = "IN ({})"
    # GLOB distinguishes upper and lower case, unlike LIKE.
    like = "GLOB"
    run = "*"
    is_segment = "instr({0}, '/') = 0"
    is_within_process = True
    searches_each = False

    def list_of(self, texts: Iterable[str]) -> Any:
        return jsonio.dumps(list(texts)).decode()

    def rows(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> SQL:
        fields = [f"json_extract(value, '$[{n}]') AS {column}" for n, column in enumerate(columns)]
        return SQL(
            f"(SELECT {', '.join(fields)} FROM json_each(%s)) AS {name}",
            (jsonio.dumps(list(rows)).decode(),),
        )

    def escape(self, text: str) -> str:
        # `]` is only special after `[`.
        return text.replace("[", "[[]").replace("?", "[?]").replace("*", "[*]")

    def deletion(self, table: str, condition: SQL) -> SQL:
        return SQL(f"DELETE FROM {table} WHERE {condition.text}", condition.parameters)
