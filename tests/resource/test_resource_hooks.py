"""What applications override is defined on the published class, with its published parameters."""

import inspect

import pytest

from cliquet import resource

# P-11.7, and the other methods of P-9 to P-11.
HOOKS = {
    "_get_record_or_404": ["record_id"],
    "_extract_filters": ["queryparams"],
    "_extract_sorting": ["limit"],
    "_extract_limit": [],
    "_extract_partial_fields": [],
    "_extract_pagination_rules_from_token": ["limit", "sorting"],
    "_add_timestamp_header": ["response", "timestamp"],
    "_add_cache_header": ["response"],
    "_raise_304_if_not_modified": ["record"],
    "_raise_412_if_modified": ["record"],
    "_raise_400_if_invalid_id": ["record_id"],
    "_raise_400_if_id_mismatch": ["new_id", "record_id"],
    "_raise_conflict": ["exception"],
    "_next_page_url": ["sorting", "limit", "last_record", "offset"],
    "_build_pagination_token": ["sorting", "last_record", "offset"],
    "_build_pagination_rules": ["sorting", "last_record", "rules"],
    "_get_known_fields": [],
    "is_known_field": ["field"],
    "get_parent_id": ["request"],
    "process_record": ["new", "old"],
    "apply_changes": ["record", "changes"],
    "postprocess": ["result", "action", "old"],
    "collection_get": [],
    "collection_post": [],
    "collection_delete": [],
    "get": [],
    "put": [],
    "patch": [],
    "delete": [],
}


@pytest.mark.clause("P-11.7", "P-11.6", "P-11.9", "P-10.1")
@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_a_method_of_the_class(name: str) -> None:
    method = vars(resource.UserResource)[name]

    assert list(inspect.signature(method).parameters) == ["self", *HOOKS[name]]


def test_the_class_has_no_part_that_is_defined_elsewhere() -> None:
    assert resource.UserResource.__mro__ == (resource.UserResource, object)
