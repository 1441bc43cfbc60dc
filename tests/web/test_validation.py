"""Validation of requests against schemas, in services of an application."""

import json
import types
from types import SimpleNamespace
from typing import Any

import colander
import pytest
from colander import Schema
from pyramid.exceptions import ConfigurationError
from pyramid.request import Request
from support.shared_apps import make_app
from webtest import TestApp

from cliquet.web import bodies, validation
from cliquet.web.service import Service


class Search(colander.MappingSchema):
    """A value of each place, as plug-ins declare them."""

    text = colander.SchemaNode(colander.String(), location="body")
    size = colander.SchemaNode(colander.Integer(), location="querystring", missing=10)
    token = colander.SchemaNode(colander.String(), location="header", name="X-Token")
    shelf = colander.SchemaNode(colander.Integer(), location="path")
    extra = colander.SchemaNode(colander.String(), missing=colander.drop)


def schema_of(unknown: Any) -> Any:
    """Return a schema of one optional text, that treats other members as `unknown` says."""
    schema = colander.MappingSchema(typ=colander.Mapping(unknown=unknown))
    schema.add(colander.SchemaNode(colander.String(), name="text", missing=colander.drop))
    return schema


def serve(schema: Any, *, method: str = "POST", **arguments: Any) -> TestApp:
    """Return a client of an application whose service `/shelves/{shelf}` echoes what is valid."""
    service = Service("shelves", "/shelves/{shelf}")
    service.add_view(method, lambda request: dict(request.validated), schema=schema, **arguments)
    return make_app(configure=lambda config: config.add_cornice_service(service))


def items(response: Any) -> list[Any]:
    return [tuple(item.values()) for item in response.json["details"]]


def post(
    app: TestApp,
    body: Any,
    *,
    query: str = "",
    content_type: str = "application/json",
    status: int | str = 200,
    **headers: Any,
) -> Any:
    headers = {"Content-Type": content_type, "X-Token": "secret", **headers}
    return app.post(f"/v0/shelves/3{query}", body, headers=headers, status=status)


@pytest.mark.clause("P-35.3")
@pytest.mark.parametrize("schema", [Search, Search()], ids=["class", "instance"])
def test_values_come_from_where_the_schema_says(schema: Search | type) -> None:
    response = post(serve(schema), '{"text": "a"}', query="?size=5")

    assert response.json == {"text": "a", "size": 5, "X-Token": "secret", "shelf": 3}


@pytest.mark.clause("P-35.3")
def test_missing_values_get_their_default_or_are_dropped() -> None:
    response = post(serve(Search), '{"text": "a", "other": 1}')

    assert response.json == {"text": "a", "size": 10, "X-Token": "secret", "shelf": 3}


@pytest.mark.clause("H-6.1", "H-26.4")
def test_faults_of_all_places_are_reported_together() -> None:
    response = post(serve(Search), "{}", query="?size=x", status=400)

    assert items(response) == [
        ("body", "text", "text is missing"),
        ("querystring", "size", '"x" is not a number'),
    ]


@pytest.mark.clause("P-35.3")
@pytest.mark.parametrize(
    ("unknown", "validated"),
    [("ignore", {"text": "a"}), ("preserve", {"text": "a", "more": {"b": [1]}})],
)
def test_unknown_members_are_dropped_or_kept(unknown: str, validated: dict[str, Any]) -> None:
    response = post(serve(schema_of(unknown)), '{"text": "a", "more": {"b": [1]}}')

    assert response.json == validated


@pytest.mark.clause("P-35.3", "H-8.7")
def test_unknown_members_and_parameters_are_refused_where_the_schema_says_so() -> None:
    response = post(serve(schema_of("raise")), '{"more": 1}', query="?page=2&text=b", status=400)

    assert items(response) == [
        ("body", "more", "more is not allowed"),
        ("querystring", "page", "page is not allowed"),
    ]


@pytest.mark.clause("P-35.3")
def test_a_schema_without_member_may_refuse_everything() -> None:
    empty = colander.MappingSchema(typ=colander.Mapping(unknown="raise"))

    app = serve(empty)

    assert post(app, "{}").json == {}
    assert items(post(app, '{"a": 1}', status=400)) == [("body", "a", "a is not allowed")]


@pytest.mark.clause("P-35.3")
def test_a_schema_keeps_nothing_from_one_request_to_the_next() -> None:
    app = serve(schema_of("preserve"))

    post(app, '{"text": "a", "more": 1}')

    assert post(app, "{}").json == {}


@pytest.mark.clause("H-6.11", "H-8.3")
@pytest.mark.parametrize("schema", [schema_of("preserve"), colander.MappingSchema()])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    ("body", "status"), [(b"", 200), (b"{}", 200), (b"{bad", 400), (b"[]", 400)]
)
def test_a_json_body_must_be_an_object_whatever_the_method(
    schema: Schema, method: str, body: bytes, status: int
) -> None:
    app = serve(schema, method=method)

    app.request(
        "/v0/shelves/3",
        method=method,
        body=body,
        headers={"Content-Type": "application/json"},
        status=status,
    )


def test_without_schema_the_body_is_the_view_s_business() -> None:
    assert post(serve(None), "{bad").json == {}


@pytest.mark.clause("H-25.6")
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_counts_as_empty(content_type: str) -> None:
    response = post(serve(schema_of("ignore")), '{"text": "a"}', content_type=content_type)

    assert response.json == {}


@pytest.mark.clause("D-2")
def test_media_types_compare_whatever_their_case() -> None:
    response = post(serve(schema_of("ignore")), '{"text": "a"}', content_type="Application/JSON")

    assert response.json == {"text": "a"}


@pytest.mark.clause("H-8.3")
def test_a_long_value_is_cut_in_the_message() -> None:
    body = "[" + ", ".join(["1"] * 1000) + "]"

    ((_, name, description),) = items(post(serve(schema_of("ignore")), body, status=400))

    assert name is None
    assert description.startswith("Invalid JSON: Should be a JSON object, got [1,1,1")
    assert description.endswith("1…")
    assert len(description) < 200


@pytest.mark.clause("X-25", "D-11")
def test_a_value_at_fault_is_the_only_thing_told_of_a_body() -> None:
    # What the body holds otherwise is not known, hence not judged.
    ((_, name, description),) = items(
        post(serve(Search), '{"other": [1e999]}', query="?size=x", status=400)
    )

    assert name == "other.0"
    assert description == "Invalid JSON request body: Number out of range: other.0"


@pytest.mark.clause("H-8.3")
def test_null_is_an_absence_where_an_optional_object_is_expected() -> None:
    schema = colander.MappingSchema()
    schema.add(colander.SchemaNode(colander.Mapping(), name="place", missing=colander.drop))

    assert post(serve(schema), '{"place": null}').json == {}


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (Request.blank("/"), {}),
        (Request.blank("/", method="POST", json={"data": {"a": 1}}), {"data": {"a": 1}}),
        (types.SimpleNamespace(body=b"x", json={"a": 1}), {"a": 1}),
    ],
    ids=["none", "json", "double"],
)
@pytest.mark.clause("P-35.13")
def test_the_body_of_a_request_made_by_hand_is_read(
    request_: Request | SimpleNamespace, body: dict[str, Any]
) -> None:
    assert bodies.json_body(request_) == body


def test_a_body_by_hand_that_is_not_json_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        bodies.json_body(Request.blank("/", method="POST", body=b"{bad"))


class Address(colander.MappingSchema):
    street = colander.SchemaNode(colander.String())
    numbers = colander.SchemaNode(
        colander.Sequence(),
        colander.SchemaNode(colander.Integer(), name="number"),
        missing=colander.drop,
    )


def place_schema(location: Any, **kwargs: Any) -> Any:
    schema = colander.MappingSchema(**kwargs)
    schema.add(Address(name="address", location=location, missing=colander.drop))
    return schema


@pytest.mark.clause("P-35.3")
@pytest.mark.parametrize(
    ("names", "validated"),
    [
        ({"address.street": "a"}, {"address": {"street": "a"}}),
        (
            {"address.street": "a", "address.numbers.0": "1", "address.numbers.1": "2", "b": "c"},
            {"address": {"street": "a", "numbers": [1, 2]}},
        ),
        ({"other.street": "a"}, {}),
    ],
)
def test_flat_names_of_the_body_and_of_the_query_string_are_nested(
    names: dict[str, Any], validated: dict[str, Any]
) -> None:
    query = "?" + "&".join(f"{name}={value}" for name, value in names.items())

    assert post(serve(place_schema("body")), json.dumps(names)).json == validated
    assert post(serve(place_schema("querystring")), "{}", query=query).json == validated


@pytest.mark.clause("P-35.3")
@pytest.mark.parametrize(
    "names",
    [
        {"address.unknown": "a"},
        {"address.street.more": "a"},
        {"address.": "a"},
        {"address..street": "a"},
        {"address.numbers.5": "1"},
        {"address.numbers.x": "1"},
    ],
    ids=lambda names: next(iter(names)),
)
def test_flat_names_that_fit_no_schema_count_as_unknown(names: dict[str, Any]) -> None:
    ((name, value),) = names.items()

    assert post(serve(place_schema("body")), json.dumps(names)).json == {}
    assert post(serve(place_schema("querystring")), "{}", query=f"?{name}={value}").json == {}


@pytest.mark.clause("P-35.3", "H-8.7")
def test_flat_names_are_refused_where_unknown_ones_are() -> None:
    schema = place_schema("body", typ=colander.Mapping(unknown="raise"))
    schema["address"].missing = colander.required

    response = post(serve(schema), '{"address.street": "a"}', status=400)

    assert items(response) == [
        ("body", "address", "address is missing"),
        ("body", "address.street", "address.street is not allowed"),
    ]


class Unflattening(colander.MappingSchema):
    """Reads the short names of an older protocol."""

    text = colander.SchemaNode(colander.String(), missing=colander.drop)
    size = colander.SchemaNode(colander.Integer(), location="querystring", missing=colander.drop)

    def unflatten(self, fstruct: Any) -> dict[Any, Any]:
        values = dict(fstruct)
        if "bad" in values:
            raise KeyError("bad")
        return {{"t": "text", "s": "size"}.get(name, name): v for name, v in values.items()}


@pytest.mark.clause("P-35.3")
def test_the_schema_s_own_unflatten_reads_the_body_and_the_query_string() -> None:
    app = serve(Unflattening)

    assert post(app, '{"t": "a"}', query="?s=3").json == {"text": "a", "size": 3}
    # What the client says under the present name wins; unknown names leave all as it is.
    assert post(app, '{"t": "a", "text": "b"}').json == {"text": "b"}
    assert post(app, '{"t": "a", "bad": 1}', query="?s=3&bad=1").json == {}


@pytest.mark.clause("P-35.3")
def test_a_parameter_may_be_repeated_where_the_schema_has_a_list() -> None:
    schema = colander.MappingSchema()
    schema.add(
        colander.SchemaNode(
            colander.Sequence(),
            colander.SchemaNode(colander.Integer()),
            name="sizes",
            location="querystring",
        )
    )
    app = serve(schema)

    assert post(app, "{}", query="?sizes=1&sizes=2").json == {"sizes": [1, 2]}
    assert post(app, "{}", query="?sizes=1").json == {"sizes": [1]}


@pytest.mark.clause("P-35.3")
def test_a_node_with_a_default_is_not_missing() -> None:
    schema = colander.MappingSchema()
    schema.add(colander.SchemaNode(colander.Integer(), name="size", default=5))

    assert post(serve(schema), "{}").json == {"size": 5}
    assert post(serve(schema), '{"size": 6}').json == {"size": 6}


@pytest.mark.clause("P-35.3")
def test_null_is_an_absence_whatever_the_type() -> None:
    schema = colander.MappingSchema()
    schema.add(colander.SchemaNode(colander.Boolean(), name="a", missing=colander.drop))
    schema.add(colander.SchemaNode(colander.Boolean(), name="b"))

    response = post(serve(schema), '{"a": null, "b": null}', status=400)

    assert items(response) == [("body", "b", "Required")]


class Deferring(colander.MappingSchema):
    """Depends on the request, and leaves traces on itself."""

    shelf = colander.SchemaNode(
        colander.String(), missing=colander.deferred(lambda node, kw: kw["request"].path)
    )

    def after_bind(self, node: Any, kw: Any) -> None:
        for name in kw["request"].GET:
            self.add(colander.SchemaNode(colander.String(), name=name))


@pytest.mark.clause("P-35.3")
def test_what_depends_on_the_request_is_worked_out_for_each() -> None:
    app = serve(Deferring)

    refused = post(app, "{}", query="?extra=1", status=400)

    assert items(refused) == [("body", "extra", "extra is missing")]
    assert post(app, "{}").json == {"shelf": "/v0/shelves/3"}


class Counting(colander.SchemaNode):
    """A node that remembers what it saw."""

    schema_type = colander.String
    missing = colander.drop

    def deserialize(self, cstruct: Any = colander.null) -> Any:
        self.seen = [*getattr(self, "seen", []), cstruct]
        return self.seen


@pytest.mark.clause("P-35.3")
def test_a_node_that_keeps_state_does_not_keep_it_for_the_next_request() -> None:
    schema = colander.MappingSchema()
    schema.add(Counting(name="text"))
    app = serve(schema)

    post(app, '{"text": "secret"}')

    assert post(app, '{"text": "b"}').json == {"text": ["b"]}


@pytest.mark.clause("P-35.3")
def test_a_schema_may_be_given_by_its_dotted_name() -> None:
    assert post(serve(f"{__name__}.Unflattening"), '{"text": "a"}').json == {"text": "a"}


@pytest.mark.parametrize("schema", [colander.SchemaNode(colander.String()), object()])
def test_a_schema_that_is_no_mapping_is_refused_at_start_up(schema: object) -> None:
    with pytest.raises(ConfigurationError, match="must be a mapping"):
        serve(schema)


@pytest.mark.clause("P-35.13")
def test_a_body_that_was_replaced_is_read_again() -> None:
    def view(request: Any) -> list[Any]:
        before = bodies.json_body(request)
        request.body = b'{"text": "b"}'
        return [before, bodies.json_body(request)]

    service = Service("shelves", "/shelves/{shelf}")
    service.add_view("POST", view, schema=schema_of("ignore"))
    app = make_app(configure=lambda config: config.add_cornice_service(service))

    assert post(app, '{"text": "a"}').json == [{"text": "a"}, {"text": "b"}]


class Made(colander.MappingSchema):
    """A schema of which a property decides."""

    @property
    def title(self) -> Any:
        return colander.deferred(lambda node, kw: "made")


@colander.deferred
def title(node: Any, kw: Any) -> str:
    return "title"


class Declared(colander.MappingSchema):
    title = title


class Settled(Declared):
    title = "settled"


class Parent(colander.MappingSchema):
    child = Declared()


@pytest.mark.parametrize(
    ("schema", "is_bound"),
    [
        (colander.MappingSchema(), False),
        (colander.MappingSchema(title=title), True),
        (Declared(), True),
        (Parent(), True),
        (Settled(), False),
        (Declared(title="given"), False),
        (Made(), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_deferred_values_are_found_wherever_they_are(schema: object, is_bound: bool) -> None:
    assert validation.needs_binding(schema) is is_bound
