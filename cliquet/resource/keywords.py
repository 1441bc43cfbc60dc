"""The types of the keywords of a registration, with which type checkers and editors know them.

What is checked when a service starts is in ``cliquet.resource.checks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from cliquet.resource.viewset import ViewSet

__all__ = ["Registration", "ViewSetKeywords"]

# A text is no list of methods: the checker refuses `collection_methods="GET"`.
Methods = tuple[str, ...] | list[str] | set[str] | frozenset[str]
Arguments = Mapping[str, Any]


class ViewSetKeywords(TypedDict, total=False):
    """The attributes of :class:`cliquet.resource.ViewSet` that a registration may give.

    .. versionadded:: 3.2
    """

    name: str
    service_name: str
    collection_path: str
    record_path: str
    collection_methods: Methods
    record_methods: Methods
    shards: int
    validate_schema_for: Methods
    readonly_methods: Methods
    service_arguments: Arguments
    default_arguments: Arguments
    default_collection_arguments: Arguments
    default_record_arguments: Arguments
    default_get_arguments: Arguments
    default_head_arguments: Arguments
    default_options_arguments: Arguments
    default_post_arguments: Arguments
    default_put_arguments: Arguments
    default_patch_arguments: Arguments
    default_delete_arguments: Arguments
    collection_get_arguments: Arguments
    collection_head_arguments: Arguments
    collection_options_arguments: Arguments
    collection_post_arguments: Arguments
    collection_put_arguments: Arguments
    collection_patch_arguments: Arguments
    collection_delete_arguments: Arguments
    record_get_arguments: Arguments
    record_head_arguments: Arguments
    record_options_arguments: Arguments
    record_post_arguments: Arguments
    record_put_arguments: Arguments
    record_patch_arguments: Arguments
    record_delete_arguments: Arguments


class Registration(ViewSetKeywords, total=False):
    """The keywords of :func:`cliquet.resource.register`.

    .. versionadded:: 3.2
    """

    viewset: ViewSet
