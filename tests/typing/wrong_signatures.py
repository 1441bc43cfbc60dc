"""Mistakes of an application's author that ``mypy --strict`` must report.

Each mistake is marked with the error it deserves. Should the checker stop reporting one, for
instance because a published signature became ``Any``, it reports the unused mark instead.
"""

from __future__ import annotations

from cliquet import resource
from cliquet.events import ResourceChanged
from cliquet.storage import Filter
from cliquet.storage.selection import CollectionKey, Scope
from cliquet.types import Record


class NoHook(resource.UserResource):
    def process_record(self, new: Record) -> Record:  # type: ignore[override]
        return new

    def get_parent_id(self, request: object) -> int:  # type: ignore[override]
        return 1

    def is_known_field(self, field: int) -> bool:  # type: ignore[override]
        return bool(field)


class NoModel(resource.Model):
    def get_record(self, record_id: int) -> Record:  # type: ignore[override]
        return {}


class NoModelOfPydantic(resource.UserResource):
    mapping = resource.PydanticSchema(dict)  # type: ignore[arg-type]


class NoOption(resource.UserResource):
    mapping = resource.JSONSchema({}, uniqe_fields=("a",))  # type: ignore[call-arg]


class NoResource(resource.UserResource):
    default_model = dict  # type: ignore[assignment]


@resource.register(colection_methods=("GET",))  # type: ignore[call-arg]
class NoKeyword(resource.UserResource):
    pass


@resource.register(shards="8")  # type: ignore[arg-type]
class NoNumber(resource.UserResource):
    pass


@resource.register(collection_methods="GET")  # type: ignore[arg-type]
class NoList(resource.UserResource):
    pass


@resource.register  # type: ignore[arg-type]
class NoParentheses(resource.UserResource):
    pass


class NoRequest(resource.UserResource):
    def process_record(self, new: Record, old: Record | None = None) -> Record:
        length = len(self.request.prefixed_userid)  # type: ignore[arg-type]
        self.request.registry.storage.get_al("task", "me")  # type: ignore[attr-defined]
        self.request.registry.cache.set("key", "value", ttl="long")  # type: ignore[arg-type]
        return {"length": length, "body": self.request.validated + 1}  # type: ignore[operator]


def no_member(event: ResourceChanged) -> str:
    print(event.payload["user"])  # type: ignore[typeddict-item]
    return event.payload["timestamp"]  # type: ignore[return-value]


def no_comparison() -> Filter:
    return Filter("title", "x", "equals")  # type: ignore[arg-type]


def swapped_names(collection_id: str, parent_id: str) -> list[CollectionKey]:
    by_position = CollectionKey(collection_id, parent_id)  # type: ignore[call-arg]
    pair: CollectionKey = (collection_id, parent_id)  # type: ignore[assignment]
    whole: CollectionKey = Scope(  # type: ignore[assignment]
        collection_id=collection_id, parent_id=parent_id
    )
    return [by_position, pair, whole]
