"""The published class of resources whose records users share by permissions."""

from __future__ import annotations

import functools
from typing import Any

import colander

from cliquet import errors, settings, utils
from cliquet.core.globs import exact
from cliquet.events import ACTIONS
from cliquet.permission.known_permissions import KnownPermissions
from cliquet.resource import judging, shared_view, visible_permissions
from cliquet.resource.model import Model, ShareableModel
from cliquet.resource.parameters import InvalidParameter
from cliquet.resource.patch import response_behavior
from cliquet.resource.patch_reading import patched_document
from cliquet.resource.schema import PermissionsSchema
from cliquet.resource.syncing import View
from cliquet.resource.user import Body, UserResource
from cliquet.resource.viewset import ShareableViewSet, ViewSet
from cliquet.security.sent_headers import sent
from cliquet.security.shared_listing import SharedListing, joins
from cliquet.storage import Filter
from cliquet.storage.query import COMPARISON
from cliquet.types import IdQuery, Record
from cliquet.web import faults
from cliquet.web.bodies import has_body

__all__ = ["ShareableResource"]

# The parent of all records, a name by its type.
_EVERYBODY = exact("")
# If the URI of a collection has at most so many characters, of at most four bytes, any generated id
# fits.
_SHORT_URI = utils.MAX_KEY_BYTES // 8


class ShareableResource(UserResource):
    """Records of all users together, each with its own permissions (P-12).

    Attributes
    ----------
    permissions : names of the permissions that a body may set.
    """

    default_model: type[Model] = ShareableModel
    default_viewset: type[ViewSet] = ShareableViewSet
    permissions: tuple[str, ...] = ("read", "write")
    model: ShareableModel

    # Whether a record may be read before the request is permitted to see it: see `RouteFactory`.
    _may_be_made_ahead = True
    # The flags belong to the methods below too.
    _changes_alike = True
    _creates_alike = True
    _ends_with_creation = True
    _ends_with_change = True
    _reads_alike = True
    _lists_as_text = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Permissions may change even if the record does not (H-20.6).
        self.force_patch_update = True
        self.model.permission = getattr(self.request.registry, "permission", None)
        self.model.current_principal = self.request.prefixed_userid
        configured = self.request.registry.settings
        # Tests of applications make their own requests, which may lack settings (P-31).
        self._configured = configured if isinstance(configured, dict) else {}
        self.model.explicit_permissions = settings.read(self._configured, "explicit_permissions")
        if self.context is not None:
            known = getattr(self.context, "known_permissions", None)
            if isinstance(known, KnownPermissions):
                self.model.known_permissions = known
            self.model.judge = functools.partial(judging.judge_as_locked, self.context)
            # The method is looked up at each call, because plugins replace it on the context
            # (P-35.13).
            # It does not refer to the resource, which would be a cycle.
            context, request = self.context, self.request
            self.model.get_permission_object_id = lambda *args, **kwargs: (
                context.get_permission_object_id(request, *args, **kwargs)
            )

    # Hooks

    def get_parent_id(self, request: Any) -> str:
        """Return the same parent for all users (P-12.3)."""
        return _EVERYBODY

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        """Add the permissions of the body to the record that will be written (P-12.5)."""
        return self._with_permissions(dict(super().process_record(new, old=old)))

    def _completed(self, new: Record, old: Record | None) -> Record:
        return self._with_permissions(dict(super()._completed(new, old)))

    def _with_permissions(self, record: Record) -> Record:
        permissions = self.request.validated.get("permissions")
        if permissions:
            if self.request.method.upper() == "PUT":
                # A replacement removes the permissions that it does not mention (H-24.5).
                permissions = {**dict.fromkeys(self.permissions, ()), **permissions}
            record[self.model.permissions_field] = permissions
        return record

    def apply_changes(self, record: Record, changes: Record) -> Record:
        """Return the record after a PATCH, without its permissions."""
        self._refuse_permissions_field(changes)
        return super().apply_changes(self._bare(record), changes=changes)

    def postprocess(
        self, result: Any, action: ACTIONS = ACTIONS.READ, old: Record | None = None
    ) -> Body:
        """Return the body of the response, with the permissions beside the data (P-12.6)."""
        if isinstance(result, list):
            return super().postprocess(result, action=action, old=old)
        permissions = result.get(self.model.permissions_field)
        body = super().postprocess(
            self._bare(result),
            action=action,
            old=None if old is None else self._bare(old),
        )
        if permissions is not None:
            visible_to = settings.read(self._configured, "permissions_visible_to")
            if action is ACTIONS.READ and visible_to == "write":
                permissions = visible_permissions.of_request(
                    self.request, self.context, result[self.model.id_field], permissions
                )
            # The form is the same for all backends: a permission without principals is absent
            # (D-52).
            body["permissions"] = shown = {}
            for name, principals in sorted(permissions.items()):
                if principals:
                    shown[name] = sorted(principals)
        return body

    # Endpoints

    def patch(self) -> Body:
        """Modify members of a record, or its permissions (H-20.3)."""
        if not has_body(self.request):
            errors.raise_invalid(
                self.request,
                name="data",
                description="Provide at least one of data or permissions",
            )
        if "patch" in self.request.validated:
            # The patch must be applied to the permissions that are read under the lock (D-55).
            self.model.known_permissions.forget_aces()
        body = super().patch()
        if response_behavior(sent(self.request, "Response-Behavior")) in ("light", "diff"):
            body.pop("permissions", None)
        return body

    # Steps

    def _extract_filters(self, queryparams: Any = None) -> list[Filter]:
        """Read the filters, and limit the list to the records shared with the user (P-12.4)."""
        filters = super()._extract_filters(queryparams)
        if self._is_view_apart:
            return filters
        shared_ids = self._selected_ids() or getattr(self.context, "shared_ids", None)
        if shared_ids:
            filters.insert(0, Filter(self.model.id_field, shared_ids, COMPARISON.IN))
        return filters

    def _view(self) -> View:
        return shared_view.of_request(self.request, self.context, self.model)

    def _fix_list(self) -> None:
        shared_view.fix(self)

    def _find_list_again(self) -> None:
        judging.check_list_for_groups(self.context)

    def _selected_ids(self) -> IdQuery | None:
        """Return a query for the ids of the shared records, if the storage can use it."""
        context = self.context
        if not isinstance(context, SharedListing) or context.shared_records is None:
            return None
        selected = context.selected_ids
        return selected if selected is not None and self._joins(selected) else None

    def _joins(self, ids: IdQuery) -> bool:
        """Return whether the list can find the ids of the shared records with a query."""
        if type(self)._extract_filters is not ShareableResource._extract_filters:
            # The application may read the ids of the filter, which are a list as published.
            return False
        return self.model.hands_filters_on and joins(self.model.storage, ids)

    def _extract_partial_fields(self) -> list[str] | None:
        """Read ``_fields``, which never selects permissions."""
        fields = super()._extract_partial_fields()
        if fields is None:
            return None
        reserved = self.model.permissions_field
        return [field for field in fields if field.split(".", 1)[0] != reserved]

    def _body_data(self) -> Record:
        data = super()._body_data()
        self._refuse_permissions_field(data)
        return data

    def _new_record(self) -> Record:
        # A PUT may contain only permissions.
        return super()._new_record() if "data" in self.request.validated else {}

    def _record_to_put(self, given: Record, existing: Record | None) -> Record:
        """Return the record that a PUT writes; without attributes, the existing ones stay (X-33).

        Raises
        ------
        HTTPBadRequest : there is no record, and the schema requires attributes.
        """
        if "data" in self.request.validated:
            return given
        if existing is not None:
            kept = self._bare(existing)
            del kept[self.model.modified_field]
            return kept
        try:
            created: Record = self._schema.deserialize({})
        except colander.Invalid:
            errors.raise_invalid(self.request, name="data", description="data is missing")
        return created

    def _refuse_permissions_field(self, data: Record) -> None:
        name = self.model.permissions_field
        if name in data:
            # The member would be taken for permissions (D-9).
            errors.raise_invalid(
                self.request, name=f"data.{name}", description=f"{name} is reserved"
            )

    def _patched(self, existing: Record) -> Record:
        """Return the record after the patch of the body, and keep its permissions.

        Both formats are applied to the body of a response, with the record and its permissions.
        """
        stored = existing.get(self.model.permissions_field, {})
        before = {name: sorted(principals) for name, principals in stored.items() if principals}
        document = {"data": self._bare(existing), "permissions": before}
        patched = patched_document(self.request, document)
        after = patched["permissions"]
        changed = {name: after[name] for name in after if after[name] != before.get(name)}
        changed.update({name: [] for name in before if name not in after})
        try:
            checked = PermissionsSchema(
                name="permissions", permissions=self.permissions
            ).deserialize(changed)
        except colander.Invalid as invalid:
            raise InvalidParameter("body", *faults.first_of(invalid)) from None
        self.request.validated["permissions"] = checked
        return patched["data"]

    def _bare(self, record: Record) -> Record:
        """Return a record without its permissions."""
        bare = {**record}
        bare.pop(self.model.permissions_field, None)
        return bare

    def _creatable(self, record: Record) -> Record:
        """Return the record that will be created, unless nobody could get a permission on it.

        Raises
        ------
        HTTPBadRequest : its URI cannot be a key of the permission backend.
        """
        id_field, get_object_id = self.model.id_field, self.model.get_permission_object_id
        if get_object_id is None:
            return record
        if id_field not in record:
            collection = getattr(self.context, "permission_object_id", None)
            if not isinstance(collection, str) or len(collection) <= _SHORT_URI:
                return record
            # The storage would make the id later, when it cannot be checked any more.
            generator = self.model.id_generator or self.model.storage.id_generator
            record = {**record, id_field: generator()}
        if not utils.is_storable_key(get_object_id(record[id_field])):
            errors.raise_invalid(
                self.request,
                location="path",
                description=f"The URI of the record is longer than {utils.MAX_KEY_BYTES} bytes",
            )
        return record

    def _check_put(self, existing: Record | None) -> None:
        judging.check_put(self, existing)

    def _check_write(self) -> None:
        judging.check_write(self.context)

    def _check_list(self) -> None:
        judging.check_list(self.context)

    def _disclosed(self, existing: Record) -> Record:
        """Return the part of a record for an error: only its id, if the user may not read it."""
        if self._may_read(existing):
            return self._bare(existing)
        return {self.model.id_field: existing[self.model.id_field]}

    def _may_read(self, record: Record) -> bool:
        permits_on = getattr(self.context, "permits_on", None)
        return permits_on is None or permits_on(record[self.model.id_field], "read")
