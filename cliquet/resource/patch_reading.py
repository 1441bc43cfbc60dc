"""What a merge patch or a JSON patch in the body makes of a record (E-4)."""

from __future__ import annotations

from cliquet import errors
from cliquet.resource import patch_formats
from cliquet.resource.answering import ResponseWriter
from cliquet.resource.parameters import InvalidParameter
from cliquet.resource.patch import Plan
from cliquet.types import Record

__all__ = ["PatchReader"]


class PatchReader(ResponseWriter):
    """The part of a resource that reads patches in a format of their own."""

    def _bare(self, record: Record) -> Record:
        """Return a record of the model as clients know it."""
        return record

    def _check_patch(self) -> None:
        """Refuse what is no patch of its format, before anything is looked up (H-20.13).

        Raises
        ------
        HTTPBadRequest : its shape is wrong.
        """
        with self._refusing():
            patch_formats.check_shape(self._format(), self.request.validated["patch"])

    def _format(self) -> str:
        content_type: str = self.request.content_type.lower()
        return content_type

    def _planned(self, existing: Record) -> Plan:
        """Return what a merge patch or a JSON patch does to a record.

        Raises
        ------
        HTTPBadRequest : the patch does not fit the record, or takes a read-only member out.
        """
        with self._refusing():
            patched = self._patched(existing)
            patch_formats.check_depth(patched)
        record = self._bare(existing)
        removed, changes = patch_formats.difference(record, patched)
        # What makes it a record of the collection cannot be taken out.
        reserved = (self.model.id_field, self.model.modified_field)
        removed = [name for name in removed if name not in reserved]
        for name in removed:
            if self._schema.is_readonly(name):
                errors.raise_invalid(self.request, name=name, description=f"Cannot modify {name}")
        gone = frozenset(removed)
        base = {name: value for name, value in record.items() if name not in gone}
        return Plan(base, changes, removed)

    def _patched(self, existing: Record) -> Record:
        """Return the record that the patch of the body makes of another (E-4.1)."""
        if self._format() == patch_formats.MERGE_PATCH:
            return patch_formats.apply(
                patch_formats.MERGE_PATCH, existing, self.request.validated["patch"]
            )
        return self._patched_document({"data": existing})["data"]

    def _patched_document(self, document: Record) -> dict[str, Record]:
        """Return what the patch makes of a document with the members of a response body.

        Raises
        ------
        InvalidParameter : the result has other members, or they are no objects.
        """
        patched = patch_formats.apply(self._format(), document, self.request.validated["patch"])
        for name in patched:
            if name not in document:
                raise InvalidParameter("body", name, f"{name} is not allowed")
        for name in document:
            if not isinstance(patched.get(name), dict):
                raise InvalidParameter("body", name, f"{name} is not an object after the patch")
        return patched
