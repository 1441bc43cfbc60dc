"""What adapters do with the values of a record, before and after the other library judges them."""

from __future__ import annotations

import copy
from typing import Any

import colander

__all__ = ["completed", "without_absent"]


def without_absent(node: Any, value: Any) -> Any:
    """Return a copy of a value without the members that count as absent (H-8.14).

    These are declared members that are null and may not be.
    """
    if isinstance(value, dict) and isinstance(node.typ, colander.Mapping):
        declared = {child.name: child for child in node.children}
        kept = {}
        for name, item in value.items():
            child = declared.get(name)
            if item is not None or child is None or child.takes_null:
                kept[name] = item if child is None else without_absent(child, item)
        return kept
    if isinstance(value, list) and isinstance(node.typ, colander.Sequence):
        return [without_absent(node.children[0], item) for item in value]
    return value


def completed(node: Any, value: Any, *, is_judged_only: bool) -> Any:
    """Return a valid value as it is stored.

    A member that is null, and would be null by default, is left out.

    Parameters
    ----------
    is_judged_only : whether the other library has only judged the value, so that the defaults are
        given here, and undeclared members dropped.
    """
    if isinstance(value, dict) and isinstance(node.typ, colander.Mapping):
        result = {}
        for child in node.children:
            item = value.get(child.name)
            if child.name in value:
                if item is not None or not child.is_null_default:
                    result[child.name] = completed(child, item, is_judged_only=is_judged_only)
            elif is_judged_only and child.missing not in (colander.drop, colander.required):
                result[child.name] = copy.deepcopy(child.missing)
        if not is_judged_only or node.typ.unknown == "preserve":
            declared = {child.name for child in node.children}
            result.update((name, item) for name, item in value.items() if name not in declared)
        return result
    if isinstance(value, list) and isinstance(node.typ, colander.Sequence):
        item_node = node.children[0]
        return [completed(item_node, item, is_judged_only=is_judged_only) for item in value]
    return value
