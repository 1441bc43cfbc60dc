"""A plug-in that writes to records of the application what is not in a request's JSON."""

import json
from typing import Any

from pyramid.httpexceptions import HTTPNotFound

from cliquet import Service
from cliquet.events import ACTIONS

from .authorization import RecordContext, RouteFactory, record_uri

attachment = Service(
    name="attachment",
    path="/buckets/{bucket_id}/collections/{collection_id}/records/{id}/attachment",
    factory=RecordContext,
)


def includeme(config: Any) -> None:
    config.registry.public_settings.add("sample.attachments_url")
    config.get_settings().setdefault("attachments_url", "https://files.example")
    config.add_api_capability("attachments", description="Files beside records", url="")
    config.add_cornice_service(attachment)


def make_resource(request: Any) -> Any:
    """Make the resource of the record by hand."""
    from .views import Record

    context = RouteFactory(request)
    context.get_permission_object_id = lambda request, id=None: record_uri(request)  # type: ignore[assignment]
    request.current_resource_name = "record"
    return Record(request, context)


@attachment.post(permission="dynamic")
def post_attachment(request: Any) -> Any:
    """Attach the body to the record, which is created if need be."""
    storage = request.registry.storage
    base_url = request.registry.settings["attachments_url"]
    file = storage.create("", "__attachments__", {"size": len(request.body)})
    data = {"attachment": {"location": f"{base_url}/{file['id']}", "size": file["size"]}}
    request.body = json.dumps({"data": data}).encode()
    request.validated = {"data": data}
    record = make_resource(request)
    try:
        return record.patch()
    except HTTPNotFound:
        return record.put()


@attachment.delete(permission="dynamic")
def delete_attachment(request: Any) -> Any:
    """Take the attachment off the record."""
    record = make_resource(request)
    existing = record.model.get_record(record.record_id)
    kept = {name: value for name, value in existing.items() if name != "attachment"}
    kept.pop("last_modified")
    updated = record.model.update_record(kept)
    return record.postprocess(updated, action=ACTIONS.UPDATE, old=existing)
