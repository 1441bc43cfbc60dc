"""Further filters, and nested members in filters, sorting and projection (E-3)."""

import json
import uuid
from typing import Any
from urllib.parse import quote

import colander
import pytest
from support.listings import GROWTHS, LICHENS, invalid, items, listed, store, walk
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

FUNGI = "/v0/fungi"
SPORES = "/v0/spores"


class Fungus(resource.UserResource):
    """Fields named like operators, beside those that the operators would name."""

    class FungusSchema(resource.ResourceSchema):
        age = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        min_age = colander.SchemaNode(colander.Mapping(unknown="preserve"), missing=colander.drop)
        count = colander.SchemaNode(colander.String(), missing=colander.drop)
        like_count = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        tags = colander.SchemaNode(
            colander.Sequence(), colander.SchemaNode(colander.String()), missing=colander.drop
        )
        any_tags = colander.SchemaNode(
            colander.Sequence(), colander.SchemaNode(colander.String()), missing=colander.drop
        )
        in_colours = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = FungusSchema()


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    paths = {"collection_path": "/fungi", "record_path": "/fungi/{{id}}"}
    return make_app([*RESOURCES, (Fungus, paths)])


def url_of(url: Any, **params: Any) -> str:
    query = "&".join(f"{name}={quote(value)}" for name, value in params.items())
    return f"{url}?{query}"


def kept(app: TestApp, headers: Any, name: Any, text: Any, url: Any = LICHENS) -> list[Any]:
    """Return the names of the records that a filter keeps, sorted."""
    return sorted(listed(app, headers, f"{url}?{name}={quote(text)}", "name"))


def refused(app: TestApp, headers: Any, query: Any, url: Any = LICHENS) -> Any:
    return app.get(f"{url}?{query}", headers=headers, status=400).json


# Operators

VALUES = {
    "text": "Cep de Bordeaux",
    "star": "a*b",
    "empty": "",
    "digits": "12",
    "number": 12,
    "true": True,
    "null": None,
    "none": [],
    "one": [1],
    "mixed": [1, "1", True, None, {"a": 1.0}],
    "texts": ["red", "blue"],
    "object": {"red": 1},
}
LISTS = {"none", "one", "mixed", "texts"}


@pytest.fixture(scope="module")
def valued(app: TestApp) -> Any:
    """Give the headers of a user who has a record for each of VALUES, and one without value."""
    headers = basic_auth(uuid.uuid4().hex)
    store(app, headers, LICHENS, *({"name": name, "v": v} for name, v in VALUES.items()))
    store(app, headers, LICHENS, {"name": "missing"})
    return headers


@pytest.mark.clause("E-3.1", "B-21.15", "B-21.16")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cep", {"text"}),
        ("BORDEAUX", {"text"}),
        ("p de b", {"text"}),
        ("cep*", {"text"}),
        ("*bordeaux", {"text"}),
        ("c*d*x", {"text"}),
        ("bordeaux*", set()),
        ("*cep", set()),
        ("a*b", {"star"}),
        ('"12"', {"digits"}),
        ('""', {"text", "star", "empty", "digits"}),
        ("*", {"text", "star", "empty", "digits"}),
        (".", set()),
        ("%", set()),
        ("_", set()),
    ],
)
def test_like_searches_texts(
    app: TestApp, valued: dict[str, Any], text: str, names: set[Any]
) -> None:
    assert kept(app, valued, "like_v", text) == sorted(names)


@pytest.mark.clause("B-21.16")
@pytest.mark.parametrize("text", ["12", "1.5", "true", "None", "[1]", '{"a": 1}'])
def test_like_of_what_is_no_text_is_refused(
    app: TestApp, headers: dict[str, str], text: str
) -> None:
    message = "Invalid value for like_v"

    assert refused(app, headers, f"like_v={quote(text)}") == invalid(
        message, name="like_v", message=message
    )


@pytest.mark.clause("E-3.1", "B-21.15")
def test_has_tells_null_from_absence(app: TestApp, valued: dict[str, Any]) -> None:
    assert kept(app, valued, "has_v", "true") == sorted(VALUES)
    assert kept(app, valued, "has_v", "false") == ["missing"]


@pytest.mark.clause("E-3.1")
@pytest.mark.parametrize("text", ["1", "0", "", "maybe", "None", '"true"'])
def test_has_takes_nothing_but_a_boolean(app: TestApp, headers: dict[str, str], text: str) -> None:
    assert refused(app, headers, f"has_v={quote(text)}")["details"] == [
        {"location": "querystring", "name": "has_v", "description": "Invalid value for has_v"}
    ]


@pytest.mark.clause("E-3.1", "B-21.15", "B-21.17", "B-6.15")
@pytest.mark.parametrize(
    ("text", "every", "some"),
    [
        ("1", {"one", "mixed"}, {"one", "mixed"}),
        ("red,1", set(), {"one", "mixed", "texts"}),
        ("blue,red", {"texts"}, {"texts"}),
        ("true", {"mixed"}, {"mixed"}),
        ("None", {"mixed"}, {"mixed"}),
        ('"1"', {"mixed"}, {"mixed"}),
        ("0", set(), set()),
        ("", set(), set()),
        ("[]", LISTS, set()),
        ('["red"]', {"texts"}, {"texts"}),
        ('["1", {"a": 1}]', {"mixed"}, {"mixed"}),
        ("[[1]]", set(), set()),
    ],
)
def test_contains_compares_members_of_arrays(
    app: TestApp, valued: dict[str, Any], text: str, every: set[Any], some: set[Any]
) -> None:
    assert kept(app, valued, "contains_v", text) == sorted(every)
    assert kept(app, valued, "contains_any_v", text) == sorted(some)


@pytest.mark.clause("B-21.17")
@pytest.mark.parametrize("field", ["id", "last_modified"])
@pytest.mark.parametrize("prefix", ["contains_", "contains_any_"])
@pytest.mark.parametrize("text", ["12", "abc", "[1]"])
def test_id_and_timestamp_contain_nothing(
    app: TestApp, headers: dict[str, str], prefix: str, field: str, text: str
) -> None:
    name = prefix + field
    message = f"Invalid value for {name}"

    assert refused(app, headers, f"{name}={text}") == invalid(message, name=name, message=message)


@pytest.mark.clause("E-3.1", "H-12.17")
def test_operators_on_reserved_members(app: TestApp, headers: dict[str, str]) -> None:
    kept_one, gone = store(app, headers, LICHENS, {"name": "a"}, {"name": "b"})
    app.delete(f"{LICHENS}/{gone['id']}", headers=headers)

    def ids(query: Any) -> Any:
        return listed(app, headers, f"{LICHENS}?{query}")

    assert ids(f"like_id={kept_one['id'][1:9].upper()}") == [kept_one["id"]]
    assert set(ids("has_id=true")) == {kept_one["id"]}
    # A filter on the timestamp brings tombstones.
    assert set(ids("has_last_modified=true")) == {kept_one["id"], gone["id"]}
    assert ids("has_last_modified=true&has_deleted=true") == [gone["id"]]
    assert ids("has_deleted=true") == []


@pytest.mark.clause("B-21.16", "H-12.15")
def test_a_timestamp_is_like_no_text(app: TestApp, headers: dict[str, str]) -> None:
    assert refused(app, headers, "like_last_modified=abc")["details"][0]["description"] == (
        "Invalid value for like_last_modified"
    )


@pytest.mark.clause("E-3.1", "H-12.12")
def test_lists_of_ids_and_timestamps_may_be_json(app: TestApp, headers: dict[str, str]) -> None:
    one, two, three = store(app, headers, LICHENS, {}, {}, {})
    ids = json.dumps([one["id"], two["id"]])
    times = json.dumps([one["last_modified"], str(three["last_modified"])])

    assert set(listed(app, headers, url_of(LICHENS, in_id=ids))) == {one["id"], two["id"]}
    assert listed(app, headers, url_of(LICHENS, exclude_id=ids)) == [three["id"]]
    assert set(listed(app, headers, url_of(LICHENS, in_last_modified=times))) == {
        one["id"],
        three["id"],
    }
    for name, text in [("in_id", "[1]"), ("in_last_modified", "[true]")]:
        assert refused(app, headers, f"{name}={text}")["details"][0]["name"] == name
    assert refused(app, headers, "in_last_modified=[1.0]")["details"][0]["location"] == (
        "querystring"
    )


@pytest.mark.clause("E-3.1", "X-25")
def test_an_array_with_a_number_beyond_64_bits_is_refused(
    app: TestApp, headers: dict[str, str]
) -> None:
    assert refused(app, headers, "in_v=[18446744073709551616]")["details"] == [
        {"location": "querystring", "name": "in_v", "description": "Invalid value for in_v"}
    ]


@pytest.mark.clause("E-3.1", "H-12.6")
@pytest.mark.parametrize("prefix", ["like", "has", "contains", "contains_any"])
def test_operators_on_unknown_fields_are_refused(
    app: TestApp, headers: dict[str, str], prefix: str
) -> None:
    message = f"Unknown filter field '{prefix}_colour'"

    assert refused(app, headers, f"{prefix}_colour=true", url=GROWTHS) == invalid(
        message, name=f"{prefix}_colour", message=message
    )


@pytest.mark.clause("B-21.18")
def test_equality_with_an_array_or_object_is_exact(app: TestApp, valued: dict[str, Any]) -> None:
    assert kept(app, valued, "v", "[1]") == ["one"]
    assert kept(app, valued, "v", "[]") == ["none"]
    assert kept(app, valued, "v", "['red']") == []
    assert kept(app, valued, "v", "{'red': 1}") == ["object"]


@pytest.mark.clause("E-3.1", "H-12.20", "X-15")
def test_operators_choose_what_a_deletion_takes(app: TestApp, headers: dict[str, str]) -> None:
    store(app, headers, GROWTHS, {"title": "red cap"}, {"title": "blue cap"}, {"number": 1})

    app.delete(f"{GROWTHS}?like_title=red*", headers=headers)

    assert listed(app, headers, f"{GROWTHS}?_sort=title", "title") == ["blue cap", "-"]


# Names that collide


@pytest.mark.clause("E-3.3", "X-27")
def test_a_declared_field_wins_over_an_operator(app: TestApp, headers: dict[str, str]) -> None:
    store(
        app,
        headers,
        FUNGI,
        {"age": 1, "like_count": 5, "count": "x", "tags": ["a"], "any_tags": ["b"]},
        {"age": 9, "like_count": 6, "count": "5", "in_colours": "red,blue"},
    )

    def ages(query: Any) -> Any:
        return listed(app, headers, f"{FUNGI}?{query}", "age")

    assert ages("like_count=5") == [1]
    assert ages("min_like_count=6") == [9]
    assert ages("like_like_count=x") == []
    assert ages("in_colours=red,blue") == [9]
    assert ages("contains_any_tags=b") == [1]
    assert ages("contains_any_tags=a") == []
    # The other operators on the shorter names stay.
    assert ages("max_age=1") == [1]
    assert ages("contains_tags=a") == [1]


@pytest.mark.clause("E-3.3", "E-3.2")
def test_members_of_a_declared_field_win_too(app: TestApp, headers: dict[str, str]) -> None:
    store(
        app,
        headers,
        FUNGI,
        {"age": 3, "min_age": {"unit": "day"}},
        {"age": 4, "min_age": {"unit": 2}},
    )

    def ages(query: Any) -> Any:
        return listed(app, headers, f"{FUNGI}?{query}", "age")

    assert ages("min_age.unit=day") == [3]
    assert ages("min_min_age.unit=2") == [4]


@pytest.mark.clause("E-3.3", "X-27")
def test_a_field_that_the_schema_does_not_declare_does_not_win(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, LICHENS, {"name": "a", "min_age": 9, "age": 1}, {"name": "b", "age": 12})

    assert kept(app, headers, "min_age", "9") == ["b"]


# Nested members

PEOPLE = [
    {"name": "nested", "person": {"age": 30, "pet": {"tags": ["old", 3]}}},
    {"name": "younger", "person": {"age": 17, "first name": "Ada"}},
    {"name": "text", "person": {"age": "30"}},
    {"name": "null", "person": {"age": None}},
    {"name": "empty", "person": {}},
    {"name": "list", "person": [{"age": 30}]},
    {"name": "scalar", "person": 30},
    {"name": "dotted", "person.age": 18, "person": {"age": 99}},
    {"name": "missing"},
]
EVERYBODY = {record["name"] for record in PEOPLE}  # type: ignore[index]


@pytest.fixture(scope="module")
def people(app: TestApp) -> Any:
    """Give the headers of a user whose records have, or lack, nested members."""
    headers = basic_auth(uuid.uuid4().hex)
    store(app, headers, LICHENS, *PEOPLE)
    return headers


@pytest.mark.clause("E-3.2", "B-21.13", "B-21.14", "X-16", "X-17")
@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("person.age", "30", {"nested"}),
        ("person.age", '"30"', {"text"}),
        ("person.age", "18", {"dotted"}),
        ("person.age", "99", set()),
        ("person.age", "None", {"null", "empty", "list", "scalar", "missing"}),
        ("not_person.age", "30", EVERYBODY - {"nested"}),
        ("min_person.age", "18", {"nested", "dotted"}),
        ("lt_person.age", "18", {"younger"}),
        ("in_person.age", "17,18", {"younger", "dotted"}),
        ("in_person.age", "[17, null]", EVERYBODY - {"nested", "text", "dotted"}),
        ("exclude_person.age", "17,18", EVERYBODY - {"younger", "dotted"}),
        ("has_person.age", "true", {"nested", "younger", "text", "null", "dotted"}),
        ("has_person.age", "false", {"empty", "list", "scalar", "missing"}),
        ("like_person.age", "3*", {"text"}),
        ("like_person.first name", "ad", {"younger"}),
        ("contains_person.pet.tags", "old,3", {"nested"}),
        ("contains_any_person.pet.tags", "new,3", {"nested"}),
        ("person.pet.tags", "['old', 3]", {"nested"}),
        ("person.0.age", "30", set()),
    ],
)
def test_nested_members_are_filtered(
    app: TestApp, people: dict[str, Any], name: str, text: str, names: set[Any]
) -> None:
    assert kept(app, people, quote(name), text) == sorted(names)


@pytest.mark.clause("E-3.2", "H-12.5", "H-12.7")
def test_any_root_does_where_unknown_fields_are_preserved(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, SPORES, {"n": {"m": 1}, "name": "a"}, {"n": {"m": 2}, "name": "b"})

    assert listed(app, headers, f"{SPORES}?n.m=1", "name") == ["a"]
    assert listed(app, headers, f"{SPORES}?_sort=-n.m", "name") == ["b", "a"]
    assert listed(app, headers, f"{SPORES}?_sort=n.m", "name") == ["a", "b"]
    # A name without dot must be known all the same.
    assert refused(app, headers, "n=1", url=SPORES)["message"] == "Unknown filter field 'n'"


@pytest.mark.clause("E-3.2", "H-12.7")
@pytest.mark.parametrize("name", [".", "..", "address.", ".street", "address..street", "x.y"])
def test_what_is_no_path_of_a_known_field_is_refused(
    app: TestApp, headers: dict[str, str], name: str
) -> None:
    message = f"Unknown filter field '{name}'"

    assert refused(app, headers, f"{name}=1", url=GROWTHS) == invalid(
        message, name=name, message=message
    )


@pytest.mark.clause("E-3.2", "B-6.19", "H-13.7")
def test_nested_members_are_sorted_on(app: TestApp, people: dict[str, Any]) -> None:
    ascending = listed(app, people, f"{LICHENS}?_sort=person.age,name", "name")
    descending = listed(app, people, f"{LICHENS}?_sort=-person.age,name", "name")

    without = ["empty", "list", "missing", "scalar"]
    assert ascending == ["null", "text", "younger", "dotted", "nested", *without]
    assert descending == [*without, "nested", "dotted", "younger", "text", "null"]


@pytest.mark.clause("E-3.2", "B-21.13", "H-15.2")
def test_projection_follows_the_same_paths(app: TestApp, people: dict[str, Any]) -> None:
    url = f"{LICHENS}?_fields=name,person.age&in_name=nested,dotted,scalar,missing&_sort=name"

    records = app.get(url, headers=people).json["data"]

    for record in records:
        del record["id"], record["last_modified"]
    assert records == [
        {"name": "dotted", "person.age": 18},
        {"name": "missing"},
        {"name": "nested", "person": {"age": 30}},
        {"name": "scalar", "person": 30},
    ]


@pytest.mark.clause("E-3.2", "H-15.3")
def test_projection_of_an_unknown_root_is_refused(app: TestApp, headers: dict[str, str]) -> None:
    body = refused(app, headers, "_fields=x.y", url=GROWTHS)

    assert body["details"][0]["description"] == "Fields x do not exist"


# Pages


@pytest.fixture(scope="module")
def mixed(app: TestApp) -> Any:
    """Give the headers of a user with records of mixed types, equal timestamps and tombstones."""
    headers = basic_auth(uuid.uuid4().hex)
    records = store(
        app,
        headers,
        LICHENS,
        *PEOPLE,
        *({"name": f"same{n}", "person": {"age": n % 2}, "last_modified": 12} for n in range(4)),
        *({"name": f"gone{n}", "person": {"age": n}} for n in range(3)),
    )
    for record in records[-3:]:
        app.delete(f"{LICHENS}/{record['id']}", headers=headers)
    return headers


@pytest.mark.clause("E-3.2", "H-14.7", "H-14.8", "B-21.12", "D-24", "D-26")
@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize(
    "sort",
    [
        "person.age",
        "-person.age",
        "person.age,-name",
        "-person,person.age",
        "person.pet.tags,-person.age,last_modified",
        "person.age,id",
        "deleted,-person.age",
        "",
    ],
)
@pytest.mark.parametrize(
    ("query", "number"), [("_since=0", 16), ("has_name=true", 13), ("has_person.age=false", 4)]
)
def test_pages_give_the_list_each_item_once(
    app: TestApp, mixed: dict[str, Any], query: str, number: int, sort: str, limit: int
) -> None:
    url = f"{LICHENS}?{query}&_sort={sort}"
    whole = app.get(url, headers=mixed).json["data"]

    pages = walk(app, mixed, f"{url}&_limit={limit}")

    assert items(pages) == whole
    assert len(whole) == number
    assert all(page.headers["Total-Records"] == pages[0].headers["Total-Records"] for page in pages)


@pytest.mark.clause("E-3.2", "H-14.7", "H-14.10")
@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("sort", ["person.age", "-person.age,name"])
def test_writes_of_others_in_between_disturb_no_pages(
    app: TestApp, headers: dict[str, str], sort: str, limit: int
) -> None:
    store(app, headers, LICHENS, *PEOPLE)
    url = f"{LICHENS}?_sort={sort}"
    whole = app.get(url, headers=headers).json["data"]
    others = []

    def write(pages: Any) -> None:
        if others:
            app.delete(f"{LICHENS}/{others.pop()['id']}", headers=headers)
        added = [{"name": "other", "person": {"age": age}} for age in (None, 17, "30", 99)]
        others.extend(store(app, headers, LICHENS, {"name": "other"}, *added))

    walked = items(walk(app, headers, f"{url}&_limit={limit}", before_next=write))

    assert [item for item in walked if item["name"] != "other"] == whole
    assert len({item["id"] for item in walked}) == len(walked)
