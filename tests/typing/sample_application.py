"""What an application's author writes: it must type-check under ``mypy --strict``.

Nothing runs this module; ``make lint`` checks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import colander
from pydantic import BaseModel
from pyramid.config import Configurator

import cliquet
from cliquet import resource
from cliquet.events import ACTIONS, ResourceChanged
from cliquet.resource import Request
from cliquet.storage import Filter, Sort
from cliquet.storage.generators import Generator
from cliquet.types import Record


class ArticleSchema(resource.ResourceSchema):
    title = colander.SchemaNode(colander.String())

    class Options:
        unique_fields = ("title",)
        preserve_unknown = True


class LetterFields(BaseModel):
    text: str


class Letter(resource.UserResource):
    mapping = resource.PydanticSchema(LetterFields, unique_fields=("text",), unknown="raise")


class Draft(resource.UserResource):
    mapping = resource.JSONSchema({"type": "object"}, indexed_fields=("a", ("b", "c")))


class ArticleModel(resource.Model):
    def create_record(
        self,
        record: Record,
        parent_id: str | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> Record:
        created = super().create_record(record, parent_id=parent_id, unique_fields=unique_fields)
        return {**created, "seen": True}


@resource.register(name="article", collection_methods=("GET", "POST"))
class Article(resource.UserResource):
    mapping = ArticleSchema()
    default_model = ArticleModel

    def get_parent_id(self, request: Request) -> str:
        return "everybody"

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        processed = super().process_record(new, old)
        processed["words"] = len(str(processed.get("title", "")).split())
        return processed

    def apply_changes(self, record: Record, changes: Record) -> Record:
        return super().apply_changes(record, changes=changes)

    def is_known_field(self, field: str) -> bool:
        return field.startswith("custom") or super().is_known_field(field)

    def postprocess(
        self, result: Any, action: ACTIONS = ACTIONS.READ, old: Record | None = None
    ) -> dict[str, Any]:
        body = super().postprocess(result, action=action, old=old)
        body["words"] = "counted"
        return body


@resource.register(
    viewset=resource.ViewSet(collection_methods=("GET",)),
    name="note",
    collection_path="/notes",
    record_path="/notes/{{id}}",
    record_methods=["GET", "PUT"],
    record_get_arguments={"permission": "private"},
)
class Note(resource.UserResource):
    mapping = colander.MappingSchema()


class ShortId(Generator):
    regexp = "^[a-z]{8}$"

    def __call__(self) -> str:
        return "a" * 8


greeting = cliquet.Service(name="greeting", path="/greeting", description="Says hello")


@greeting.get()
def get_greeting(request: Request) -> dict[str, str]:
    return {"hello": cliquet.__version__}


def long_titles(model: resource.Model) -> list[Record]:
    records, total = model.get_records(
        filters=[Filter("words", 10, resource.COMPARISON.MIN)],
        sorting=[Sort("title", 1)],
        limit=20,
    )
    return records if total else []


class Audited(resource.UserResource):
    mapping = ArticleSchema()

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        author: str | None = self.request.prefixed_userid
        sent: dict[str, Any] = self.request.validated["body"]
        others, total = self.request.registry.storage.get_all("article", "everybody")
        with self.request.registry.storage.client.connect():
            self.request.registry.cache.client.ping()
        # What the application adds to requests has any type.
        self.request.audit(author, sent, self.request.matchdict.get("id"))
        return {**new, "others": total, "first": others[0] if others else None}


def tell(event: ResourceChanged) -> None:
    uri: str = event.payload["uri"]
    author: str | None = event.payload["user_id"]
    for change in event.impacted_records:
        print(uri, author, event.payload["timestamp"] + 1, change["new"]["id"])


def main(global_config: dict[str, str], **settings: Any) -> Any:
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="articles")
    config.add_api_capability("articles", description="Has articles")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
