"""The writes of the permission backends in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from cliquet.connections.selected_aces import grouped
from cliquet.connections.sql import SQL, Session, SQLClient
from cliquet.permission.base import ACEChange, require_principals
from cliquet.permission.relational.dialect import PermissionDialect
from cliquet.permission.relational.queries import ACES, REMOVE_ACES, Queries
from cliquet.permission.relational.steps import PermissionSteps

__all__ = ["ACEWriter"]


class ACEWriter:
    """Writes the ACEs of objects.

    Parameters
    ----------
    client : lends connections.
    dialect, steps : the differences between databases.
    """

    def __init__(
        self, client: SQLClient, dialect: PermissionDialect, steps: PermissionSteps
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._steps = steps
        self._queries = Queries(dialect)

    def writing(self) -> AbstractContextManager[Session]:
        """Join the present transaction to write, or begin one for the duration of the context."""
        return self._client.begin(writes=True)

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement that writes."""
        with self.writing() as session:
            session.defer(statement, parameters)

    def write(
        self,
        object_id: str,
        replaced: Mapping[str, Collection[str]],
        writer: str | None,
        *,
        is_new: bool,
        held: dict[str, set[str]] | None,
    ) -> ACEChange:
        """Do what ``write_object_permissions`` promises; the principals have been checked."""
        with self.writing() as session:
            # Two simultaneous replacements must not mix. Additions need no lock if the storage has
            # the lock of the collection in the same transaction.
            # Nobody knows the id of an object that is new and has none. In another database, the
            # record is there before its permissions, and somebody else may write both.
            is_unknown = is_new and held == {} and self._client.holds_records
            if not is_unknown and (replaced or not self._steps.is_guarded(session)):
                self._steps.lock(session, [object_id])
            if held is None and not is_new:
                held = grouped(session.execute(ACES, (object_id,)).fetchall())
            change = ACEChange.of(held or {}, replaced, writer, is_new=is_new)
            if is_new:
                # There may be entries of a former object, unless somebody has looked.
                if not is_unknown:
                    self._send(session, SQL(REMOVE_ACES, (object_id,)))
                self._add(session, object_id, change.after)
            else:
                self._change(session, object_id, change, list(replaced))
        return change

    def add(self, object_ids: Sequence[str], permission: str, principal: str) -> None:
        """Add the same ACE to several objects; as in :meth:`write`, a lock may not be needed."""
        with self.writing() as session:
            if not self._steps.is_guarded(session):
                for object_id in object_ids:
                    self._steps.lock(session, [object_id])
            aces = [(str(object_id), permission, principal) for object_id in object_ids]
            self._send(session, self._dialect.addition(aces))

    def take(self, object_ids: Sequence[str]) -> list[Any]:
        """Delete the ACEs of objects, and return their rows."""
        with self.writing() as session:
            self._lock(session, object_ids)
            return self._steps.take(session, list(dict.fromkeys(object_ids)))

    def delete(self, object_ids: Sequence[str]) -> None:
        """Delete the ACEs of objects, which may be patterns."""
        with self.writing() as session:
            self._lock(session, object_ids)
            *others, last = self._steps.forgetting(object_ids)
            for statement in others:
                session.defer(*statement)
            self._send(session, last)

    def _lock(self, session: Session, object_ids: Sequence[str]) -> None:
        """Lock objects that are to be deleted, or see at least what was written before.

        A request that has changed a record and its permissions before the records are deleted has
        no lock of the storage any more. In another database, its permissions may not be committed.
        """
        if not self._steps.lock(session, object_ids) and self._client.is_late:
            self._client.wait_for_commits()

    def _change(
        self, session: Session, object_id: str, change: ACEChange, replaced: Sequence[str]
    ) -> None:
        """Write the difference between the ACEs of an object and those that are wanted."""
        missing = {
            name: principals - change.before.get(name, set())
            for name, principals in change.after.items()
        }
        if not replaced:
            self._add(session, object_id, missing)
        elif any(missing.values()) or any(
            not change.before.get(name, set()) <= change.after.get(name, set()) for name in replaced
        ):
            # Those who ask for no lock may have added or removed entries since they were read.
            kept = {name: change.after[name] for name in replaced if name in change.after}
            session.defer(*self._queries.removal(object_id, replaced, kept))
            self._add(session, object_id, change.after)

    def _send(self, session: Session, statement: SQL) -> None:
        """Send a statement after a lock, so that both may wait if another lock is held.

        Otherwise this lock must be held from now on: a storage in another database commits before
        the permissions, and the order of the locks must be that of its commits.
        """
        if self._steps.is_guarded(session):
            session.defer(*statement)
        else:
            session.execute(*statement)

    def addition(self, object_id: str, aces: Mapping[str, Iterable[str]]) -> SQL:
        """Return what adds ACEs, of which there is at least one, to an object."""
        checked = {name: require_principals(aces[name]) for name in sorted(aces)}
        return self._dialect.addition(
            [
                (str(object_id), name, one)
                for name, given in checked.items()
                for one in sorted(given)
            ]
        )

    def _add(self, session: Session, object_id: str, aces: Mapping[str, Collection[str]]) -> None:
        if any(aces.values()):
            session.defer(*self.addition(object_id, aces))
