"""The common part of the permission backends in PostgreSQL and SQLite.

The tables are ``user_principals`` and ``access_control_entries``. Each database has its own
``PermissionSteps``, which lock and delete the ACEs of an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cliquet.connections.selected_aces import SelectedACEs, grouped
from cliquet.connections.selected_ids import SelectedIds
from cliquet.connections.sql import SQL, SQLClient
from cliquet.core.globs import Exact, as_published, literals_of
from cliquet.permission.base import (
    AUTHENTICATED,
    ACEChange,
    PermissionBase,
    accessible_patterns,
    granting_permissions,
    require_principals,
)
from cliquet.permission.grants import Grant
from cliquet.permission.relational.copying_grants import GrantCopies
from cliquet.permission.relational.dialect import PermissionDialect
from cliquet.permission.relational.queries import (
    ACES,
    ADD_ACE,
    ADD_USER,
    REMOVE_ACE,
    REMOVE_USER,
    USER_PRINCIPALS,
    Queries,
)
from cliquet.permission.relational.steps import PermissionSteps
from cliquet.permission.relational.writing import ACEWriter
from cliquet.permission.selecting import Membership
from cliquet.types import ACEQuery, BoundPermission, GetBoundPermissions, IdQuery, PoolStatus

__all__ = ["RelationalPermission"]


class RelationalPermission(PermissionBase):
    """A permission backend in SQL.

    Parameters
    ----------
    client : lends connections; it becomes the attribute ``client`` (B-24).
    dialect : the differences between databases in the text of the statements.
    steps : the other steps that each database does in its own way.
    """

    is_transferable = True
    leaves_what_is_there = True
    replica: Any = None

    def __init__(
        self, client: SQLClient, dialect: PermissionDialect, steps: PermissionSteps
    ) -> None:
        super().__init__()
        client.holds_permissions = True
        self.client: Any = client
        self._dialect = dialect
        self._queries = Queries(dialect)
        self._writer = ACEWriter(client, dialect, steps)
        self._copies = GrantCopies(client, dialect, self._writer)

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections; ``None`` if it has no size."""
        status: PoolStatus | None = self.client.pool_status()
        return status

    def wait_for_commits(self) -> None:
        if self.client.is_late:
            self.client.wait_for_commits()

    def flush(self) -> None:
        with self._writer.writing() as session:
            session.defer("DELETE FROM user_principals")
            session.defer("DELETE FROM access_control_entries")

    def add_user_principal(self, user_id: str, principal: str) -> None:
        require_principals([principal])
        self._writer.run(ADD_USER, (user_id, principal))

    def remove_user_principal(self, user_id: str, principal: str) -> None:
        self._writer.run(REMOVE_USER, (user_id, principal))

    def remove_principal(self, principal: str) -> None:
        condition = SQL("principal = %s", (principal,))
        self._writer.run(*self._dialect.deletion("user_principals", condition))

    def user_principals(self, user_id: str) -> set[str]:
        return self._column(SQL(USER_PRINCIPALS, (user_id, AUTHENTICATED)))

    def add_principal_to_ace(self, object_id: str, permission: str, principal: str) -> None:
        require_principals([principal])
        self._writer.run(ADD_ACE, (object_id, permission, principal))

    def add_principal_to_aces(
        self, object_ids: Sequence[str], permission: str, principal: str
    ) -> None:
        require_principals([principal])
        if object_ids:
            self._writer.add(object_ids, permission, principal)

    def remove_principal_from_ace(self, object_id: str, permission: str, principal: str) -> None:
        self._writer.run(REMOVE_ACE, (object_id, permission, principal))

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
        membership: Membership | None = None,
    ) -> IdQuery | None:
        names = _texts(principals)
        wanted = accessible_patterns(permission, object_id_match, get_bound_permissions)
        patterns = {literals_of(as_published(pattern)) for pattern, _ in wanted}
        if not names or patterns != {(prefix, "")}:
            # There are no principals or no pairs, or other objects could match too.
            return None
        permissions = sorted({name for _, name in wanted})
        queries = self._queries.ids_below(prefix, permissions, names)
        return SelectedIds(
            self.client,
            *queries,
            are_near=self._dialect.is_within_process,
            replica=self.replica,
            read=self._rows,
            is_current=None if membership is None else self._queries.has_no_more(*membership),
        )

    def select_aces(self, object_id: str) -> ACEQuery:
        # The class itself would be called through a function in Python, in each read.
        return tuple.__new__(SelectedACEs, (self.client, ACES, (object_id,), None))

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
        return self._column(self._queries.authorized(granting)) if granting else set()

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
        return bool(self._rows(self._queries.is_granted(granting, names))[0][0])

    def object_permissions(
        self, object_id: str, permissions: Iterable[str] | None = None
    ) -> dict[str, set[str]]:
        names = None if permissions is None else list(permissions)
        rows = self._rows(self._queries.aces(SQL("object_id = %s", (object_id,)), names))
        return grouped((permission, principal) for _, permission, principal in rows)

    def get_objects_permissions(
        self, object_ids: Sequence[str], permissions: Iterable[str] | None = None
    ) -> list[dict[str, set[str]]]:
        if not object_ids:
            return []
        names = None if permissions is None else list(permissions)
        condition = self._dialect.one_of("object_id", dict.fromkeys(object_ids))
        return _by_object(object_ids, self._rows(self._queries.aces(condition, names)))

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
        return self._writer.write(object_id, replaced, writer, is_new=is_new, held=held)

    def take_object_permissions(
        self, object_ids: Sequence[str], *, held: list[dict[str, set[str]]] | None = None
    ) -> list[dict[str, set[str]]]:
        if not object_ids:
            return []
        if held is not None:
            self.delete_object_permissions(*map(Exact, object_ids))
            return held
        return _by_object(object_ids, self._writer.take(object_ids))

    def matching_objects(self, *object_ids: str) -> list[str]:
        if not object_ids:
            return []
        given = [as_published(object_id) for object_id in object_ids]
        return sorted(self._column(self._queries.objects(self._dialect.selected(given))))

    def delete_object_permissions(self, *object_ids: str) -> None:
        if object_ids:
            self._writer.delete([as_published(object_id) for object_id in object_ids])

    def export(self) -> Iterator[Grant]:
        return self._copies.export()

    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        self._copies.import_(added, removed)

    def _rows(self, query: SQL) -> list[Any]:
        """Run a query, in the present transaction if there is one."""
        rows: list[Any] = self.client.read(*query)
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
        queries = self._queries.accessible(names, bound_permissions, with_children=with_children)
        return [row for query in queries for row in self._rows(query)]


def _texts(principals: Iterable[str]) -> list[str]:
    """Return the principals for an ACE; an anonymous user is none (B-22.39)."""
    return sorted({principal for principal in principals if isinstance(principal, str)})


def _by_object(object_ids: Sequence[str], rows: Iterable[Any]) -> list[dict[str, set[str]]]:
    """Return the ACEs of rows, in the order of the ids."""
    found: dict[str, dict[str, set[str]]] = {}
    for object_id, permission, principal in rows:
        found.setdefault(object_id, {}).setdefault(permission, set()).add(principal)
    answers = []
    for object_id in object_ids:
        # An id may be asked for twice, and each answer belongs to the caller.
        aces = found.get(object_id, {}).copy()
        for permission, principals in aces.items():
            aces[permission] = principals.copy()
        answers.append(aces)
    return answers
