"""The common part of the permission backends in PostgreSQL and SQLite.

The tables are ``user_principals`` and ``access_control_entries``. Each backend has its own way to
lock and to delete the ACEs of an object.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cliquet.connections.selected_aces import SelectedACEs, grouped
from cliquet.connections.selected_ids import SelectedIds
from cliquet.connections.sql import Session, SQLClient
from cliquet.core.globs import Exact, as_published, literals_of
from cliquet.permission.base import (
    AUTHENTICATED,
    ACEChange,
    PermissionBase,
    accessible_patterns,
    granting_permissions,
    require_principals,
)
from cliquet.permission.grants import ACEPrincipal, Grant, UserPrincipal
from cliquet.permission.relational import statements
from cliquet.permission.relational.statements import SQL
from cliquet.types import ACEQuery, BoundPermission, GetBoundPermissions, IdQuery, PoolStatus

__all__ = ["RelationalPermission"]

# Number of rows that an export reads at once.
_PAGE_SIZE = 500


class RelationalPermission(PermissionBase):
    """A permission backend in SQL.

    Parameters
    ----------
    client : lends connections; it becomes the attribute ``client`` (B-24).
    dialect : the differences between databases in the text of the statements.
    """

    is_transferable = True

    def __init__(self, client: SQLClient, dialect: statements.PermissionDialect) -> None:
        super().__init__()
        self.client: Any = client
        self._dialect = dialect

    # Steps that each database does in its own way

    @abc.abstractmethod
    def _deletion(self, table: str, condition: SQL) -> SQL:
        """Return the statement that deletes rows; deletions of other rows must not wait for it."""

    @abc.abstractmethod
    def _lock(self, session: Session, object_ids: Collection[str]) -> None:
        """Keep others from replacing the ACEs of objects until the transaction ends."""

    @abc.abstractmethod
    def _is_guarded(self, session: Session) -> bool:
        """Return whether a lock of the storage keeps others from writing the object."""

    def _forgetting(self, object_ids: Collection[str]) -> list[SQL]:
        """Return the statements that delete the ACEs of objects, which may be patterns."""
        return [self._deletion("access_control_entries", self._dialect.selected(object_ids))]

    @abc.abstractmethod
    def _take(self, session: Session, object_ids: Sequence[str]) -> list[Any]:
        """Delete the ACEs of objects, and return their rows."""

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections; ``None`` if it has no size."""
        status: PoolStatus | None = self.client.pool_status()
        return status

    # The contract

    def flush(self) -> None:
        with self._writing() as session:
            session.defer("DELETE FROM user_principals")
            session.defer("DELETE FROM access_control_entries")

    def add_user_principal(self, user_id: str, principal: str) -> None:
        require_principals([principal])
        with self._writing() as session:
            session.defer(statements.ADD_USER, (user_id, principal))

    def remove_user_principal(self, user_id: str, principal: str) -> None:
        with self._writing() as session:
            session.defer(statements.REMOVE_USER, (user_id, principal))

    def remove_principal(self, principal: str) -> None:
        with self._writing() as session:
            condition = SQL("principal = %s", (principal,))
            session.defer(*self._deletion("user_principals", condition))

    def user_principals(self, user_id: str) -> set[str]:
        return self._column(SQL(statements.USER_PRINCIPALS, (user_id, AUTHENTICATED)))

    def add_principal_to_ace(self, object_id: str, permission: str, principal: str) -> None:
        require_principals([principal])
        with self._writing() as session:
            session.defer(statements.ADD_ACE, (object_id, permission, principal))

    def remove_principal_from_ace(self, object_id: str, permission: str, principal: str) -> None:
        with self._writing() as session:
            session.defer(statements.REMOVE_ACE, (object_id, permission, principal))

    def object_permission_principals(self, object_id: str, permission: str) -> set[str]:
        return self.object_permission_authorized_principals(object_id, permission)

    def principals_accessible_objects(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str | None = None,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        wanted = accessible_patterns(permission, object_id_match, get_bound_permissions)
        return {object_id for object_id, _ in self._accessible(principals, wanted)}

    def accessible_ids(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str,
        get_bound_permissions: GetBoundPermissions | None = None,
        *,
        prefix: str,
    ) -> IdQuery | None:
        names = _texts(principals)
        wanted = accessible_patterns(permission, object_id_match, get_bound_permissions)
        patterns = {literals_of(as_published(pattern)) for pattern, _ in wanted}
        if not names or patterns != {(prefix, "")}:
            # There are no principals or no pairs, or other objects could match too.
            return None
        permissions = sorted({name for _, name in wanted})
        return SelectedIds(self.client, *self._dialect.ids_below(prefix, permissions, names))

    def select_aces(self, object_id: str) -> ACEQuery:
        return SelectedACEs(self.client, statements.ACES, (object_id,))

    def get_accessible_objects(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None = None,
        with_children: bool = True,
    ) -> dict[str, set[str]]:
        return grouped(self._accessible(principals, bound_permissions, with_children=with_children))

    def object_permission_authorized_principals(
        self,
        object_id: str,
        permission: str,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        granting = granting_permissions(object_id, permission, get_bound_permissions)
        return self._column(self._dialect.authorized(granting)) if granting else set()

    def check_permission(
        self,
        object_id: str,
        permission: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> bool:
        granting = granting_permissions(object_id, permission, get_bound_permissions)
        names = _texts(principals)
        if not granting or not names:
            return False
        return bool(self._rows(self._dialect.is_granted(granting, names))[0][0])

    def object_permissions(
        self, object_id: str, permissions: Iterable[str] | None = None
    ) -> dict[str, set[str]]:
        names = None if permissions is None else list(permissions)
        rows = self._rows(self._dialect.aces(SQL("object_id = %s", (object_id,)), names))
        return grouped((permission, principal) for _, permission, principal in rows)

    def get_objects_permissions(
        self, object_ids: Sequence[str], permissions: Iterable[str] | None = None
    ) -> list[dict[str, set[str]]]:
        if not object_ids:
            return []
        names = None if permissions is None else list(permissions)
        condition = self._dialect.one_of("object_id", dict.fromkeys(object_ids))
        return _by_object(object_ids, self._rows(self._dialect.aces(condition, names)))

    def replace_object_permissions(
        self, object_id: str, permissions: Mapping[str, Iterable[str]]
    ) -> None:
        if permissions:
            self.write_object_permissions(object_id, permissions)

    def write_object_permissions(
        self,
        object_id: str,
        permissions: Mapping[str, Iterable[str]],
        writer: str | None = None,
        *,
        is_new: bool = False,
        held: dict[str, set[str]] | None = None,
    ) -> ACEChange:
        replaced = {name: require_principals(given) for name, given in permissions.items()}
        if writer is not None:
            require_principals([writer])
        with self._writing() as session:
            # Two simultaneous replacements must not mix. Additions need no lock if the storage has
            # the lock of the collection in the same transaction.
            if replaced or not self._is_guarded(session):
                self._lock(session, [object_id])
            if held is None and not is_new:
                held = grouped(session.execute(statements.ACES, (object_id,)).fetchall())
            change = ACEChange.of(held or {}, replaced, writer, is_new=is_new)
            if is_new:
                # There may be entries of a former object, unless somebody has looked.
                if held != {}:
                    self._send(session, SQL(statements.REMOVE_ACES, (object_id,)))
                self._add(session, object_id, change.after)
            else:
                self._change(session, object_id, change, list(replaced))
        return change

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
            session.defer(*self._dialect.removal(object_id, replaced, kept))
            self._add(session, object_id, change.after)

    def _send(self, session: Session, statement: SQL) -> None:
        """Send a statement after a lock, so that both may wait if another lock is held.

        Otherwise this lock must be held from now on: a storage in another database commits before
        the permissions, and the order of the locks must be that of its commits.
        """
        if self._is_guarded(session):
            session.defer(*statement)
        else:
            session.execute(*statement)

    def _add(self, session: Session, object_id: str, aces: Mapping[str, Collection[str]]) -> None:
        rows = [(object_id, name, one) for name in sorted(aces) for one in sorted(aces[name])]
        if rows:
            session.defer(*self._dialect.addition(rows))

    def take_object_permissions(
        self, object_ids: Sequence[str], *, held: list[dict[str, set[str]]] | None = None
    ) -> list[dict[str, set[str]]]:
        if not object_ids:
            return []
        if held is not None:
            self.delete_object_permissions(*map(Exact, object_ids))
            return held
        with self._writing() as session:
            self._lock(session, object_ids)
            rows = self._take(session, list(dict.fromkeys(object_ids)))
        return _by_object(object_ids, rows)

    def delete_object_permissions(self, *object_ids: str) -> None:
        if not object_ids:
            return
        given = [as_published(object_id) for object_id in object_ids]
        with self._writing() as session:
            self._lock(session, given)
            *others, last = self._forgetting(given)
            for statement in others:
                session.defer(*statement)
            self._send(session, last)

    # Copies

    def export(self) -> Iterator[Grant]:
        yield from itertools.starmap(UserPrincipal, self._pages("user_principals"))
        yield from itertools.starmap(ACEPrincipal, self._pages("access_control_entries"))

    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        with self._writing() as session:
            for table, grant_type in _GRANTS.items():
                new = [grant for grant in added if isinstance(grant, grant_type)]
                old = [grant for grant in removed if isinstance(grant, grant_type)]
                if new:
                    session.execute(*self._dialect.insertion(table, new))
                if old:
                    session.defer(*self._deletion(table, self._dialect.present(table, old)))

    def _pages(self, table: str) -> Iterator[Any]:
        """Yield all the rows of a table, with only one page in memory."""
        last = None
        while True:
            query = self._dialect.page(table, last, _PAGE_SIZE)
            with self.client.autocommit() as session:
                rows = session.execute(*query).fetchall()
            yield from rows
            if len(rows) < _PAGE_SIZE:
                return
            last = rows[-1]

    # Steps

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self.client.begin() as session:
            # It is set before anything is sent, because one statement of several may fail.
            session.has_written = True
            yield session

    def _rows(self, query: SQL) -> list[Any]:
        """Run a query, in the present transaction if there is one."""
        with self.client.connect(readonly=True) as session:
            rows: list[Any] = session.execute(*query).fetchall()
        return rows

    def _column(self, query: SQL) -> set[str]:
        return {value for (value,) in self._rows(query)}

    def _accessible(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None,
        *,
        with_children: bool = True,
    ) -> list[tuple[str, str]]:
        names = _texts(principals)
        if not names:
            return []
        queries = self._dialect.accessible(names, bound_permissions, with_children=with_children)
        return [row for query in queries for row in self._rows(query)]


_GRANTS: dict[str, type[Grant]] = {
    "user_principals": UserPrincipal,
    "access_control_entries": ACEPrincipal,
}


def _texts(principals: Iterable[str]) -> list[str]:
    """Return the principals for an ACE; an anonymous user is none (B-22.39)."""
    return sorted({principal for principal in principals if isinstance(principal, str)})


def _by_object(object_ids: Sequence[str], rows: Iterable[Any]) -> list[dict[str, set[str]]]:
    """Return the ACEs of rows, in the order of the ids."""
    found: dict[str, dict[str, set[str]]] = {}
    for object_id, permission, principal in rows:
        found.setdefault(object_id, {}).setdefault(permission, set()).add(principal)
    # An id may be asked for twice, and each answer belongs to the caller.
    return [
        {name: set(principals) for name, principals in found.get(object_id, {}).items()}
        for object_id in object_ids
    ]
