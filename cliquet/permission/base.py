"""The contract of a permission backend: the groups of users, and their permissions on objects.

A *principal* is a text that names a user, a group or anything else. An *object id* is a text,
usually a URI without the version prefix. The pair (object id, permission) is a *bound permission*,
and its principals are its *ACE*. None of them is checked against the storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cliquet.core.globs import Pattern, as_published, compile_pattern, exact, literals_of
from cliquet.permission.grants import ACEPrincipal, PermissionTransfer
from cliquet.permission.selecting import PermissionSelecting
from cliquet.types import BoundPermission, GetBoundPermissions

__all__ = [
    "AUTHENTICATED",
    "ACEChange",
    "PermissionBase",
    "accessible_patterns",
    "granting_permissions",
    "require_principals",
]

AUTHENTICATED = "system.Authenticated"
"""A pseudo-user, whose principals every user has (B-21.37)."""

ANY_OBJECT = "*"


class ACEChange(NamedTuple):
    """The ACEs of one object before and after a change: principals by permission.

    .. versionadded:: 3.2

    Attributes
    ----------
    before, after : dictionaries that belong to the caller.
    """

    before: dict[str, set[str]]
    after: dict[str, set[str]]

    @classmethod
    def of(
        cls,
        before: dict[str, set[str]],
        replaced: Mapping[str, Iterable[str]],
        writer: str | None,
        *,
        is_new: bool,
    ) -> ACEChange:
        """Return the result of :meth:`PermissionBase.write_object_permissions` for some ACEs."""
        before = {} if is_new else before
        after = {name: set(given) for name, given in before.items()}
        after.update({name: set(principals) for name, principals in replaced.items()})
        if writer is not None:
            after.setdefault("write", set()).add(writer)
        return cls(before, {name: given for name, given in after.items() if given})


def granting_permissions(
    object_id: str, permission: str, get_bound_permissions: GetBoundPermissions | None
) -> list[BoundPermission]:
    """Return the bound permissions of which each grants `permission` on the object (B-15.8)."""
    if get_bound_permissions is None:
        return [(object_id, permission)]
    return [
        (granting_id, granting)
        for granting_id, granting in get_bound_permissions(object_id, permission)
    ]


def accessible_patterns(
    permission: str,
    object_id_match: str | None,
    get_bound_permissions: GetBoundPermissions | None,
) -> list[BoundPermission]:
    """Return the pairs of an object id pattern and a permission to search for (B-15.11).

    Pairs that the hook returns for other objects, such as parents, are left out, because they do
    not grant anything on a single object of the pattern.
    """
    pattern = ANY_OBJECT if object_id_match is None else object_id_match
    granting = granting_permissions(pattern, permission, get_bound_permissions)
    return [
        (_as_given(object_id, pattern), name)
        for object_id, name in granting
        if object_id.endswith(pattern)
    ]


def _as_given(object_id: str, pattern: str) -> str:
    """Return a text of a hook as a pattern whose end is the pattern that the hook got.

    The hook has made it from the text of the pattern, which does not show the literal parts.
    """
    if type(object_id) is not str or type(pattern) is str:
        return object_id
    first, *others = literals_of(pattern)
    first = object_id.removesuffix(pattern) + first
    return Pattern.of(first, *others) if others else exact(first)


def require_principals(principals: Iterable[str]) -> frozenset[str]:
    """Return the principals as a set, after checking that each is a text.

    Raises
    ------
    TypeError : one of them is not a text, for example the user id of an anonymous request
        (B-22.39); or a text was given instead of a collection.
    """
    if isinstance(principals, str):
        raise TypeError(f"A collection of principals is expected, not the text {principals!r}.")
    checked = frozenset(principals)
    for principal in checked:
        if not isinstance(principal, str):
            raise TypeError(f"A principal must be a text, not {principal!r}.")
    return checked


class PermissionBase(PermissionSelecting, PermissionTransfer):
    """Base class of all permission backends (B-15).

    Returned sets and dictionaries belong to the caller, who may change them. Identifiers are plain
    data: ``*`` only has a meaning where a method takes a pattern, and no other character ever has
    one.

    Notes
    -----
    Inside a request, changes belong to the transaction of the request (X-18). If the backend needs
    a server, every method raises :class:`~cliquet.storage.exceptions.BackendError` when the server
    fails (B-2.5).
    """

    client: Any
    """The client of the server, of a class that the backend chooses; memory has none."""

    is_written_after_records: bool = False
    """Whether others may see a record before the permissions that were committed with it.

    If so, :meth:`check_permission` waits for these permissions before it refuses. Methods that read
    do not wait: see :meth:`wait_for_commits`.

    .. versionadded:: 3.2
    """

    # Backends define their own arguments.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Prepare the place of the permissions. It may be called again at any time.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Remove every principal of every user, and every ACE (B-15.16)."""
        raise NotImplementedError

    def wait_for_commits(self) -> None:
        """Wait, if need be, for the permissions of the records that are visible at this moment.

        .. versionadded:: 3.2

        Raises
        ------
        BackendError : a request took too long between both commits; the error is retryable.
        """

    def add_user_principal(self, user_id: str, principal: str) -> None:
        """Give a user one more principal; a second call changes nothing (B-15.5).

        Raises
        ------
        TypeError : the principal is not a text.
        """
        raise NotImplementedError

    def remove_user_principal(self, user_id: str, principal: str) -> None:
        """Take a principal from a user; do nothing if the user does not have it (B-15.5)."""
        raise NotImplementedError

    def remove_principal(self, principal: str) -> None:
        """Take a principal from every user; the ACEs that name it stay (B-15.6)."""
        raise NotImplementedError

    def user_principals(self, user_id: str) -> set[str]:
        """Return the principals of a user, and those of every user (B-21.37)."""
        raise NotImplementedError

    def add_principal_to_ace(self, object_id: str, permission: str, principal: str) -> None:
        """Grant a permission on an object to one more principal (B-15.5).

        Raises
        ------
        TypeError : the principal is not a text.
        """
        raise NotImplementedError

    def add_principal_to_aces(
        self, object_ids: Sequence[str], permission: str, principal: str
    ) -> None:
        """Do the same for several objects; a backend may do it in one round trip.

        .. versionadded:: 3.2

        Raises
        ------
        TypeError : the principal is not a text; nothing is changed.
        """
        for object_id in object_ids:
            self.add_principal_to_ace(object_id, permission, principal)

    def remove_principal_from_ace(self, object_id: str, permission: str, principal: str) -> None:
        """Take a permission on an object from a principal; do nothing if it is not there."""
        raise NotImplementedError

    def object_permission_principals(self, object_id: str, permission: str) -> set[str]:
        """Return the principals of one ACE, without inheritance."""
        raise NotImplementedError

    def principals_accessible_objects(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str | None = None,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        """Return the ids of the objects on which one of `principals` has `permission` directly.

        Parameters
        ----------
        object_id_match : pattern that limits the ids, also as a plain text; ``None`` for all of
            them. :class:`~cliquet.core.globs.Exact` is a name, and :meth:`Pattern.of()
            <cliquet.core.globs.Pattern.of>` distinguishes its own ``*`` from others.
        get_bound_permissions : is called with the pattern and the permission; of the pairs that it
            returns, those whose object id ends with the pattern count (B-15.11).
        """
        raise NotImplementedError

    def get_accessible_objects(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None = None,
        with_children: bool = True,
    ) -> dict[str, set[str]]:
        """Return the objects on which one of `principals` has permissions, with these (B-21.38).

        Parameters
        ----------
        bound_permissions : pairs of an object id pattern, as above, and a permission, of which one
            must match; ``None`` for every object and permission; an empty list gives nothing.
        with_children : whether to keep ids that have more path segments than the pattern.

        Returns
        -------
        dict
            The permissions by object id, limited to those of the pairs.
        """
        raise NotImplementedError

    def object_permission_authorized_principals(
        self,
        object_id: str,
        permission: str,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        """Return the union of the ACEs of all the bound permissions that grant this one.

        Parameters
        ----------
        get_bound_permissions : returns the pairs that grant the requested one; ``None`` means only
            that pair. Without any pair, nobody is authorized (B-15.8).
        """
        raise NotImplementedError

    def check_permission(
        self,
        object_id: str,
        permission: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> bool:
        """Return whether one of `principals` is authorized (B-15.10).

        The groups of a user are not looked up here, because `principals` contains them.
        """
        authorized = self.object_permission_authorized_principals(
            object_id, permission, get_bound_permissions
        )
        return not authorized.isdisjoint(principals)

    def object_permissions(
        self, object_id: str, permissions: Iterable[str] | None = None
    ) -> dict[str, set[str]]:
        """Return the ACEs of one object (B-15.13).

        Parameters
        ----------
        permissions : names that limit the answer; ``None`` for all.

        Returns
        -------
        dict
            The principals by permission; a permission without principals is absent.
        """
        raise NotImplementedError

    def get_objects_permissions(
        self, object_ids: Sequence[str], permissions: Iterable[str] | None = None
    ) -> list[dict[str, set[str]]]:
        """Return the ACEs of several objects, in the order of the ids (B-21.37).

        This default method asks for one object after the other; backends may have a faster one.

        Parameters
        ----------
        permissions : names that limit the answer; ``None`` for all.
        """
        names = None if permissions is None else list(permissions)
        return [self.object_permissions(object_id, names) for object_id in object_ids]

    def replace_object_permissions(
        self, object_id: str, permissions: Mapping[str, Iterable[str]]
    ) -> None:
        """Give the listed permissions exactly these principals, all at once (B-15.14).

        Parameters
        ----------
        permissions : principals by permission. An empty collection removes the permission; a
            permission that is not listed stays as it is.

        Raises
        ------
        TypeError : a principal is not a text; nothing is changed.
        """
        raise NotImplementedError

    def write_object_permissions(
        self,
        object_id: str,
        permissions: Mapping[str, Iterable[str]],
        writer: str | None = None,
        *,
        is_new: bool = False,
        held: dict[str, set[str]] | None = None,
    ) -> ACEChange:
        """Replace permissions, let `writer` write, and return all ACEs of the object (B-20.4).

        All of this happens at once, and a backend may do it in one round trip.

        .. versionadded:: 3.2

        Parameters
        ----------
        permissions : as in :meth:`replace_object_permissions`.
        writer : principal that is added to ``write``; ``None`` for nobody.
        is_new : whether the object was just created. Entries under its id then belong to a former
            object, are removed (X-30), and are not told.
        held : ACEs that ``select_aces`` has given under the lock of the record, in the present
            transaction; a backend need not read them again.

        Returns
        -------
        ACEChange
            The ACEs before and after the change. Nobody else changes the object in between.

        Raises
        ------
        TypeError : a principal is not a text; nothing is changed.
        """
        before = self.object_permissions(object_id)
        replaced = {**dict.fromkeys(before, ()), **permissions} if is_new else permissions
        if replaced:
            self.replace_object_permissions(object_id, replaced)
        if writer is not None:
            self.add_principal_to_ace(object_id, "write", writer)
        return ACEChange({} if is_new else before, self.object_permissions(object_id))

    def take_object_permissions(
        self, object_ids: Sequence[str], *, held: list[dict[str, set[str]]] | None = None
    ) -> list[dict[str, set[str]]]:
        """Remove the ACEs of each object, and return the former ones in the order of the ids.

        All of this happens at once, and a backend may do it in one round trip.

        .. versionadded:: 3.2

        Parameters
        ----------
        object_ids : literal ids, whatever characters they contain.
        held : their ACEs, as in :meth:`write_object_permissions`.
        """
        before = self.get_objects_permissions(object_ids)
        for object_id, aces in zip(object_ids, before, strict=True):
            if aces:
                self.replace_object_permissions(object_id, dict.fromkeys(aces, ()))
        return before

    def matching_objects(self, *object_ids: str) -> list[str]:
        """Return the ids of the objects with ACEs that :meth:`delete_object_permissions` removes.

        This default method reads all ACEs, if the backend can be copied, and finds none otherwise.

        .. versionadded:: 3.2

        Parameters
        ----------
        object_ids : as there.

        Returns
        -------
        Each id once, in their order.
        """
        matches = [compile_pattern(as_published(object_id)) for object_id in object_ids]
        grants = self.export() if matches and self.is_transferable else ()
        known = {grant.object_id for grant in grants if isinstance(grant, ACEPrincipal)}
        return sorted(name for name in known if any(match(name) for match in matches))

    def delete_object_permissions(self, *object_ids: str) -> None:
        """Remove the ACEs of each object; an object without any is ignored (B-15.15).

        Parameters
        ----------
        object_ids : ids, or patterns with ``*`` that match whole ids, also as plain texts. An id
            from a request, a policy or a record may itself contain a ``*``, and must be given as
            :class:`~cliquet.core.globs.Exact` (X-29).
        """
        raise NotImplementedError
