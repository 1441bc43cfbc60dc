"""JSON Merge Patch and JSON Patch: what they make of a document, and what they cannot."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.core import jsonio
from cliquet.resource.parameters import InvalidParameter
from cliquet.resource.patch_formats import (
    JSON_PATCH,
    MAX_COPIED_BYTES,
    MAX_COPIED_VALUES,
    MAX_OPERATIONS,
    MERGE_PATCH,
    apply,
    check_depth,
    check_shape,
    difference,
)
from cliquet.storage.ordering import json_equal

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab01"), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("ab01"), VALUES, max_size=3)
POINTERS = st.lists(
    st.sampled_from(["a", "b", "0", "1", "2", "00", "-", "-1", "", "~0", "~1", "~", "\u0661"]),
    max_size=4,
).map(lambda parts: "".join(f"/{part}" for part in parts))
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "append"])},
    optional={"path": POINTERS | VALUES, "from": POINTERS | VALUES, "value": VALUES},
)


def merged(document: Any, patch: Any) -> Any:
    check_shape(MERGE_PATCH, patch)
    return apply(MERGE_PATCH, document, patch)


def operated(document: Any, *operations: Any) -> Any:
    check_shape(JSON_PATCH, list(operations))
    return apply(JSON_PATCH, document, list(operations))


def refusal(function: Any, *args: Any) -> Any:
    with pytest.raises(InvalidParameter) as caught:
        function(*args)
    assert caught.value.location == "body"
    return caught.value.name, caught.value.description


# JSON Merge Patch


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    # The table of RFC 7396, appendix A, as far as documents and patches are objects.
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"b": None, "c": 2}}, {"a": {"c": 2}}),
        ({"a": 1}, {}, {"a": 1}),
        ({}, {"a": [None]}, {"a": [None]}),
    ],
)
def test_a_merge_patch_applies_as_its_rfc_says(
    document: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merged(document, patch) == expected


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize("patch", [[], ["a"], "a", 1, None, True])
def test_a_merge_patch_of_a_record_is_an_object(patch: object) -> None:
    assert refusal(merged, {"a": 1}, patch) == (None, "A merge patch of a record is an object")


@pytest.mark.clause("E-4.1")
@given(OBJECTS, OBJECTS)
def test_a_merge_patch_leaves_both_alone_and_applies_once(
    document: dict[str, Any], patch: object
) -> None:
    before = copy.deepcopy((document, patch))

    once = merged(document, patch)

    assert (document, patch) == before
    assert json_equal(merged(once, patch), once)


# JSON Patch


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        # After RFC 6902, appendix A.
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": [1, 2]}, [{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": None}], {"a": None}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": {"b": 1}}], {"a": {"b": 1}}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 1}}], {"b": 1}),
        ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}],
         {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        # Where it goes is found once it is taken out.
        ({"a": [1, 2, {}]}, [{"op": "move", "from": "/a/0", "path": "/a/1/b"}],
         {"a": [2, {"b": 1}]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/a/c"}],
         {"a": {"b": 1, "c": {"b": 1}}}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], {"a": 1}),
        ({"a": {"b": [1]}}, [{"op": "test", "path": "", "value": {"a": {"b": [1]}}}],
         {"a": {"b": [1]}}),
        ({"~": 1, "/": 2, "": 3},
         [{"op": "test", "path": "/~0", "value": 1}, {"op": "test", "path": "/~1", "value": 2},
          {"op": "test", "path": "/", "value": 3}],
         {"~": 1, "/": 2, "": 3}),
        # A digit names a member of an object; members that an operation has no use for are ignored.
        ({"0": 1}, [{"op": "remove", "path": "/0", "value": 3, "from": 4, "xyz": 5}], {}),
        ({}, [{"op": "add", "path": "/a", "value": 1, "from": 4}], {"a": 1}),
        # Each operation sees what the ones before did.
        ({}, [{"op": "add", "path": "/a", "value": []}, {"op": "add", "path": "/a/-", "value": 1}],
         {"a": [1]}),
        ({"a": 1}, [], {"a": 1}),
    ],
)  # fmt: skip
def test_operations_apply_as_their_rfc_says(
    document: dict[str, Any], operations: list[Any], expected: dict[str, Any]
) -> None:
    assert operated(document, *operations) == expected


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a/b/c", "value": 1},
        {"op": "add", "path": "/l/3", "value": 1},
        {"op": "add", "path": "/l/-1", "value": 1},
        {"op": "add", "path": "/l/00", "value": 1},
        {"op": "add", "path": "/l/1\n", "value": 1},
        {"op": "add", "path": "/l/\u0661", "value": 1},
        {"op": "add", "path": f"/l/{'9' * 5000}", "value": 1},
        {"op": "add", "path": "/l/x", "value": 1},
        {"op": "add", "path": "/text/0", "value": 1},
        {"op": "add", "path": "/nothing/0", "value": 1},
        {"op": "remove", "path": "/z"},
        {"op": "remove", "path": ""},
        {"op": "remove", "path": "/l/-"},
        {"op": "remove", "path": "/l/2"},
        {"op": "remove", "path": "/text/0"},
        {"op": "replace", "path": "/z", "value": 1},
        {"op": "replace", "path": "/l/-", "value": 1},
        {"op": "replace", "path": "/text/0", "value": "b"},
        {"op": "move", "from": "/z", "path": "/a"},
        {"op": "move", "from": "/text/0", "path": "/a"},
        {"op": "move", "from": "/a", "path": "/a/b"},
        {"op": "move", "from": "", "path": "/a"},
        {"op": "move", "from": "/l/0", "path": "/l/2"},
        {"op": "copy", "from": "/z", "path": "/a"},
        {"op": "copy", "from": "/l/-", "path": "/a"},
        {"op": "copy", "from": "/text/0", "path": "/a"},
        {"op": "copy", "from": "/a", "path": "/z/y"},
        {"op": "test", "path": "/z", "value": None},
        {"op": "test", "path": "/l/-", "value": 2},
        {"op": "test", "path": "/text/0", "value": "t"},
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}"[:20],
)
def test_a_path_that_leads_nowhere_is_refused_with_the_index(operation: dict[str, Any]) -> None:
    document = {"a": {"x": 1}, "l": [1, 2], "text": "text", "nothing": None}
    harmless = {"op": "add", "path": "/b", "value": 1}

    assert refusal(operated, document, harmless, operation, harmless) == (
        "1",
        "Operation 1 fails: its path does not lead anywhere",
    )


@pytest.mark.clause("E-4.1", "B-6.15")
@pytest.mark.parametrize(
    ("path", "value"),
    [("/n", 2), ("/n", "1"), ("/n", True), ("/l", [True, None]), ("/l", [1]), ("/o", {}),
     ("/o", {"x": 1}), ("/o", [1]), ("/o/x", None), ("/n", [1]), ("/l", {"0": 1})],
)  # fmt: skip
def test_a_test_of_another_value_is_refused_with_the_index(path: str, value: object) -> None:
    document = {"n": 1, "l": [1, None], "o": {"x": False}}
    holds = {"op": "test", "path": "/n", "value": 1}

    assert refusal(operated, document, holds, {"op": "test", "path": path, "value": value}) == (
        "1",
        "Operation 1 fails: the value tested is another one",
    )


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize(
    "operation",
    [
        1, None, "add", [], {},
        {"op": "add"}, {"path": "/a"}, {"op": "add", "path": "/a"}, {"op": "test", "path": "/a"},
        {"op": "replace", "path": "/a"}, {"op": "move", "path": "/a"}, {"op": "copy", "path": "/a"},
        {"op": "remove"}, {"op": 1, "path": "/a"}, {"op": [], "path": "/a"},
        {"op": "append", "path": "/a", "value": "b"}, {"op": "Add", "path": "/a", "value": 1},
        {"op": "remove", "path": 1}, {"op": "remove", "path": None},
        {"op": "remove", "path": ["a"]},
        {"op": "remove", "path": "a"}, {"op": "remove", "path": "/~2"},
        {"op": "remove", "path": "/~"}, {"op": "move", "from": 1, "path": "/a"},
        {"op": "copy", "from": "a", "path": "/a"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_operation_is_refused_with_the_index(operation: object) -> None:
    harmless = {"op": "remove", "path": "/a"}

    assert refusal(check_shape, JSON_PATCH, [harmless, operation]) == (
        "1",
        "Operation 1 fails: it is not an operation of RFC 6902",
    )


@pytest.mark.clause("E-4.1")
@pytest.mark.parametrize("patch", [{}, {"op": "remove", "path": "/a"}, "a", 1, None])
def test_a_json_patch_is_an_array(patch: object) -> None:
    assert refusal(check_shape, JSON_PATCH, patch) == (
        None,
        "A JSON patch is an array of operations",
    )


@pytest.mark.clause("E-4.1")
def test_a_document_that_is_no_object_any_more_is_refused() -> None:
    assert refusal(operated, {"a": 1}, {"op": "replace", "path": "", "value": [1]}) == (
        None,
        "The result of the patch is not an object",
    )


@pytest.mark.clause("E-4.1")
def test_number_of_operations_is_bounded() -> None:
    operations = [{"op": "test", "path": "", "value": {}}] * MAX_OPERATIONS

    assert operated({}, *operations) == {}
    assert refusal(operated, {}, *operations, operations[0]) == (
        None,
        "A JSON patch is limited to 1000 operations",
    )


@pytest.mark.clause("E-4.1")
def test_copies_of_copies_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(60)]

    name, description = refusal(operated, {"a": {"text": "x" * 1000}}, *doubling)

    assert (name, description) == (
        "12",
        f"Operation 12 fails: copies are limited to {MAX_COPIED_BYTES} bytes",
    )


@pytest.mark.clause("E-4.1", "X-34")
@pytest.mark.parametrize("member", ["path", "from"])
@pytest.mark.parametrize(
    ("parts", "reason"), [(200, "it is not"), (201, "a path has more than 200")]
)
@pytest.mark.parametrize("path", ["{0}", "/b{1}"])
def test_the_parts_of_a_path_are_counted(member: str, parts: int, reason: str, path: str) -> None:
    path = path.format("/a" * parts, "~1" * parts)
    operation = {"op": "none", "path": "/a", "from": "/a", member: path}

    name, description = refusal(operated, {}, operation)

    assert name == "0"
    assert reason in description


@pytest.mark.clause("E-4.1", "X-34")
def test_copies_of_many_small_values_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(60)]

    name, description = refusal(operated, {"a": {"list": [[]] * 1000}}, *doubling)

    # 1 002 values, then twice as many each time.
    assert (name, description) == (
        "6",
        f"Operation 6 fails: copies are limited to {MAX_COPIED_VALUES} values",
    )


@pytest.mark.clause("E-4.1", "X-24")
def test_a_patch_may_be_applied_again() -> None:
    operations = [
        {"op": "add", "path": "/a", "value": []},
        {"op": "add", "path": "/a/-", "value": {}},
        {"op": "add", "path": "/a/0/b", "value": 1},
    ]

    assert operated({}, *operations) == operated({}, *operations) == {"a": [{"b": 1}]}


@pytest.mark.clause("E-4.1")
@given(OBJECTS, st.lists(OPERATIONS | VALUES, max_size=4))
def test_any_patch_gives_an_object_or_is_refused(
    document: dict[str, Any], operations: list[Any]
) -> None:
    before = copy.deepcopy((document, operations))
    try:
        name, result = "0", operated(document, *operations)
    except InvalidParameter as error:
        name, result = error.name, {}  # type: ignore[assignment]
    assert isinstance(result, dict)
    assert name is None or 0 <= int(name) <= len(operations)
    assert (document, operations) == before


# Results


def nested(levels: Any) -> Any:
    """Return a record with so many levels, itself included."""
    record = {}
    for _ in range(levels - 1):
        record = {"a": record}
    return record


@pytest.mark.clause("E-4.1", "D-12")
def test_depth_of_a_record_is_what_a_body_can_hold() -> None:
    deepest = nested(jsonio.MAX_DEPTH - 1)
    check_depth(deepest)
    assert jsonio.loads_strict(json.dumps({"data": deepest}).encode())

    too_deep = nested(jsonio.MAX_DEPTH)
    with pytest.raises(jsonio.JSONError):
        jsonio.loads_strict(json.dumps({"data": too_deep}).encode())
    assert refusal(check_depth, too_deep) == (
        None,
        "The result of the patch has more than 100 levels of nesting",
    )


@pytest.mark.clause("E-4.1", "D-12")
def test_depth_counts_arrays_as_well() -> None:
    lists = []
    for _ in range(jsonio.MAX_DEPTH):
        lists = [lists]

    assert refusal(check_depth, {"a": lists})[0] is None
    check_depth({"a": [{"b": [1, "x", None]}]})


@pytest.mark.usefixtures("usual_recursion")
@pytest.mark.clause("E-4.1", "D-12")
def test_no_nesting_exhausts_the_interpreter() -> None:
    """Each move doubles the depth: Python's own recursion would not survive it."""
    deep = "/a" * 90
    operations = []
    for n in range(60):
        operations.append({"op": "add", "path": f"/{n}", "value": nested(91)})
        if n:
            operations.append({"op": "move", "from": f"/{n - 1}", "path": f"/{n}{deep}"})
    grown = operated({}, *operations)

    assert refusal(check_depth, grown)[0] is None
    assert refusal(operated, {}, *operations, {"op": "copy", "from": "/59", "path": "/x"}) == (
        str(len(operations)),
        f"Operation {len(operations)} fails: its path does not lead anywhere",
    )


@pytest.mark.clause("E-4.1")
@given(OBJECTS, OBJECTS)
def test_difference_makes_one_object_of_another(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    removed, members = difference(before, after)

    kept = {name: value for name, value in before.items() if name not in removed}
    assert json_equal({**kept, **members}, after)
    assert not members.keys() & set(removed)
    assert not any(name in before and json_equal(before[name], members[name]) for name in members)
