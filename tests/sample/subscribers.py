"""What follows from a change: principals of members, and the deletion of what was below."""

from typing import Any

from cliquet.events import ACTIONS, ResourceChanged


def includeme(config: Any) -> None:
    changes = (ACTIONS.CREATE, ACTIONS.UPDATE)
    config.add_subscriber(
        on_groups_changed, ResourceChanged, for_actions=changes, for_resources=("group",)
    )
    deletion = {"for_actions": ("delete",)}
    config.add_subscriber(on_groups_deleted, ResourceChanged, for_resources=["group"], **deletion)
    config.add_subscriber(
        on_collections_deleted, ResourceChanged, for_resources=["collection"], **deletion
    )
    config.add_subscriber(on_buckets_deleted, ResourceChanged, for_resources=["bucket"], **deletion)


def on_groups_changed(event: Any) -> None:
    permission = event.request.registry.permission
    for change in event.impacted_records:
        uri = f"/buckets/{event.payload['bucket_id']}/groups/{change['new']['id']}"
        before = set(change.get("old", {}).get("members", ()))
        after = set(change["new"].get("members", ()))
        for user in before - after:
            permission.remove_user_principal(user, uri)
        for user in after - before:
            permission.add_user_principal(user, uri)


def on_groups_deleted(event: Any) -> None:
    for change in event.impacted_records:
        uri = f"/buckets/{event.payload['bucket_id']}/groups/{change['old']['id']}"
        event.request.registry.permission.remove_principal(uri)


def on_collections_deleted(event: Any) -> None:
    for change in event.impacted_records:
        uri = f"/buckets/{event.payload['bucket_id']}/collections/{change['old']['id']}"
        _forget(event.request.registry, "record", uri)
        event.request.registry.permission.delete_object_permissions(f"{uri}/*")


def on_buckets_deleted(event: Any) -> None:
    registry = event.request.registry
    for change in event.impacted_records:
        uri = f"/buckets/{change['old']['id']}"
        groups, _ = registry.storage.get_all("group", uri)
        for group in groups:
            registry.permission.remove_principal(f"{uri}/groups/{group['id']}")
        _forget(registry, "group", uri)
        _forget(registry, "record", f"{uri}/collections/*")
        _forget(registry, "collection", uri)
        registry.permission.delete_object_permissions(f"{uri}/*")


def _forget(registry: Any, name: Any, parent_id: Any) -> None:
    """Delete records without leaving a trace."""
    registry.storage.delete_all(name, parent_id, with_deleted=False)
    registry.storage.purge_deleted(name, parent_id)
