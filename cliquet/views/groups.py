"""Groups of users as shared records, whose members have the URI of the record as a principal.

They are only scanned if the setting ``groups_enabled`` is on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import colander

from cliquet import errors, utils
from cliquet.events import ACTIONS
from cliquet.permission import PermissionBase
from cliquet.resource import refusals
from cliquet.resource.registration import register
from cliquet.resource.schema import ResourceSchema
from cliquet.resource.shareable import ShareableResource
from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.user import Body
from cliquet.resource.user_model import Model
from cliquet.security.authorization import forget_granted
from cliquet.types import Record

__all__ = ["Group", "GroupModel", "GroupSchema"]

MAX_MEMBERS = 1000
"""Greatest number of members, because a change asks the permission backend about each of them."""


def _check_member(node: Any, member: str) -> None:
    policy, _, userid = member.partition(":")
    # Principals that mean several users are not members: a group of them would be their alias.
    if not policy or not userid or policy == "group":
        raise colander.Invalid(
            node, "Not the id of a user as the root URL shows it, such as basicauth:51c0…"
        )
    if not utils.is_storable_key(member):
        raise colander.Invalid(node, f"Longer than {utils.MAX_KEY_BYTES} bytes")


def _once(members: Any) -> Any:
    """Return the members without repetitions; colander gives its own null if there are none."""
    return list(dict.fromkeys(members)) if isinstance(members, list) else members


class GroupSchema(ResourceSchema):
    """A name for people, and the ids of users as ``GET /v1/`` shows them."""

    class Options:
        """A misspelt ``members`` would make an empty group."""

        unknown = "raise"

    name = colander.SchemaNode(
        colander.String(), missing=colander.drop, validator=colander.Length(max=200)
    )
    members = colander.SchemaNode(
        colander.Sequence(),
        colander.SchemaNode(colander.String(), validator=_check_member, name="member"),
        missing=(),
        preparer=_once,
        validator=colander.Length(max=MAX_MEMBERS, max_err=f"More than {MAX_MEMBERS} members"),
    )


class GroupModel(ShareableModel):
    """Groups, whose members get and lose a principal in the transaction of the record."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Members of the groups that were read under the lock, and of the group that is written.
        self._former: dict[str, list[str]] = {}
        self._written: tuple[list[str], list[str]] = ([], [])

    def get_record(self, record_id: str, parent_id: str | None = None) -> Record:
        """Return a live record and its permissions."""
        record = super().get_record(record_id, parent_id)
        if self._held is not None:
            self._former[record_id] = _members(record)
        return record

    def create_record(
        self,
        record: Record,
        parent_id: str | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> Record:
        """Store a new group, and make its members."""
        self._written = [], _members(record)
        return super().create_record(record, parent_id, unique_fields)

    def create_records(self, records: Sequence[Record]) -> list[Record]:
        """Store new groups one by one, because each has its members."""
        return [self.create_record(record) for record in records]

    def update_record(
        self,
        record: Record,
        parent_id: str | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> Record:
        """Replace a group, and change its members."""
        record_id = record[self.id_field]
        former = self._former.pop(record_id, None)
        if former is None:
            former = _members(Model.get_record(self, record_id, parent_id))
        self._written = former, _members(record)
        return super().update_record(record, parent_id, unique_fields)

    def _write_permissions(
        self,
        record_id: str,
        permissions: dict[str, Any],
        parent_id: str | None,
        *,
        is_new: bool,
        had_none: bool = False,
    ) -> dict[str, set[str]]:
        # It is called together with the write of the record, whichever the storage is.
        after = super()._write_permissions(
            record_id, permissions, parent_id, is_new=is_new, had_none=had_none
        )
        backend = self._backend()
        if backend is not None:
            permission, get_object_id = backend
            principal = str(get_object_id(record_id))
            left, members = self._written
            for user in sorted(set(left).difference(members)):
                permission.remove_user_principal(user, principal)
            for user in sorted(set(members).difference(left)):
                permission.add_user_principal(user, principal)
        return after

    def _forget(
        self, permission: PermissionBase, object_ids: list[str]
    ) -> list[dict[str, set[str]]]:
        before = super()._forget(permission, object_ids)
        for principal in map(str, object_ids):
            permission.remove_principal(principal)
            # What was shared with the group is shared with nobody by its name any more.
            shared = permission.get_accessible_objects([principal])
            for object_id, names in shared.items():
                for name in names:
                    permission.remove_principal_from_ace(object_id, name, principal)
                self.known_permissions.forget(object_id)
        return before


@register(name="group")
class Group(ShareableResource):
    """``/groups``: a user who may write a group decides who its members are."""

    mapping = GroupSchema()
    default_model = GroupModel

    def collection_post(self) -> Body:
        """Create a group, whose id the service makes."""
        if self.model.id_field in self._body_data():
            self._refuse_id()
        return super().collection_post()

    def postprocess(
        self, result: Any, action: ACTIONS = ACTIONS.READ, old: Record | None = None
    ) -> Body:
        """Return the body of the response; further requests of a batch ask for groups again."""
        if action is not ACTIONS.READ:
            known = self.request.bound_data
            for key in [key for key in known if key.endswith("_principals")]:
                del known[key]
            forget_granted(known)
        return super().postprocess(result, action=action, old=old)

    def _record_to_put(self, given: Record, existing: Record | None) -> Record:
        if existing is None:
            # A client that chose the id could take the place of a group that was deleted.
            raise refusals.not_found()
        return super()._record_to_put(given, existing)

    def _refuse_id(self) -> NoReturn:
        errors.raise_invalid(
            self.request, name="data.id", description="The service makes the ids of groups"
        )


def _members(record: Record) -> list[str]:
    members = record.get("members")
    return list(members) if isinstance(members, (list, tuple)) else []
