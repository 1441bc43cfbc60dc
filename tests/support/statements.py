"""What a backend sends to PostgreSQL, one text for each round trip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Recording:
    """A cursor that writes down what it sends."""

    def __init__(self, cursor: Any, sent: list[str]) -> None:
        self._cursor = cursor
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: str | bytes, *parameters: Any) -> Any:
        self._sent.append(statement.decode() if isinstance(statement, bytes) else statement)
        return self._cursor.execute(statement, *parameters)


def record(client: Any, monkeypatch: Any) -> list[str]:
    """Return a list to which everything that a client sends from now on is added."""
    sent: list[str] = []
    # What is sent beside the transaction counts as well.
    for part in (client, client.aside()):
        _record(part, sent, monkeypatch)
    return sent


def _record(client: Any, sent: list[str], monkeypatch: Any) -> None:
    make = client.session_factory

    def session_factory(**options: Any) -> Any:
        session = make(**options)
        session._cursor = Recording(session._cursor, sent)
        return session

    # The point where applications watch what is sent (B-24).
    monkeypatch.setattr(client, "session_factory", session_factory)


def counted(sent: list[str]) -> list[str]:
    """Leave out what is not counted: the ends of transactions."""
    return [text for text in sent if text.rpartition(";")[2] not in ("COMMIT", "ROLLBACK")]


@contextmanager
def texts_sent(client: Any) -> Iterator[list[str]]:
    """Give the statements that a client sends meanwhile for its caller: one per round trip."""
    statements: list[str] = []
    lend = client.session_factory
    # Something else may be recording already, and goes on.
    before = vars(client).get("session_factory")

    def factory(**options: Any) -> Any:
        session = lend(**options)
        execute = session.execute

        def counting(statement: str, parameters: Any = ()) -> Any:
            statements.append(statement)
            return execute(statement, parameters)

        session.execute = counting
        return session

    client.session_factory = factory
    try:
        yield statements
    finally:
        del client.session_factory
        if before is not None:
            client.session_factory = before


def run(backend: Any, statement: str, parameters: Any = ()) -> list[Any]:
    """Execute a statement beside all transactions, and return the rows that it gives."""
    with backend.client.autocommit() as session:
        cursor = session.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
