"""The names of collections inside the storages."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from cliquet.core.globs import Pattern
from cliquet.storage.selection import CollectionKey, Scope


def test_keys_are_in_the_order_of_the_tables() -> None:
    keys = [
        CollectionKey(collection_id="a", parent_id="y"),
        CollectionKey(collection_id="b", parent_id="x"),
    ]

    assert sorted(keys) == [("x", "b"), ("y", "a")]


@pytest.mark.parametrize("named", [CollectionKey, Scope])
def test_names_are_given_by_keyword_alone(named: type[Any]) -> None:
    with pytest.raises(TypeError):
        named("a", "b")


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("named", [CollectionKey, Scope])
def test_copies_are_the_same(named: type[Any], duplicate: Callable[..., Any]) -> None:
    names = named(collection_id="a", parent_id="b")

    copied = duplicate(names)

    assert (type(copied), copied) == (named, names)


def test_a_scope_of_one_collection_has_its_key() -> None:
    scope = Scope(collection_id="a", parent_id="b*")

    assert scope.key == CollectionKey(collection_id="a", parent_id="b*")


@pytest.mark.parametrize(
    ("collection_id", "parent_id"), [(None, "b"), ("a", Pattern("b*")), (None, Pattern("*"))]
)
def test_a_scope_of_several_collections_has_no_key(
    collection_id: str | None, parent_id: Pattern | str
) -> None:
    assert Scope(collection_id=collection_id, parent_id=parent_id).key is None
