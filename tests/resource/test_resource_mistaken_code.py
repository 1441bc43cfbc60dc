"""Mistakes in the methods and the fields of resources, each met at the start, and named."""

import functools
from inspect import getsourcelines
from typing import Any

import colander
import pytest
from support.mistakes import NameSchema, Plant, Shared, doubts, place, refusal
from support.shared_apps import make_app

from cliquet import resource
from cliquet.testing.web import add_resource

HOOKS = [
    ("async def process_record(self, new, old=None): return new", "is async, and nothing would"),
    ("async def get_parent_id(self, request): return 'a'", "is async"),
    ("async def collection_get(self): return {}", "is async"),
    ("async def _extract_filters(self, queryparams=None): yield 1", "is async"),
    ("def process_record(self, new): return new", "takes (self, new), and is called with other"),
    ("def process_record(self, record, before=None): return record", "argument 'old'"),
    ("def process_record(new, old=None): return new", "takes (new, old=None), and is called"),
    ("def get_parent_id(self): return 'x'", "takes (self), and is called with other arguments"),
    ("get_parent_id = 'x'", "is 'x'; allowed: get_parent_id(self, request)."),
    ("process_record = None", "is None; allowed: process_record(self, new, old=None)."),
    ("def apply_changes(self, record): return record", "allowed: apply_changes(self, record, "),
    ("def postprocess(self, result): return result", "takes (self, result), and is called"),
    ("def collection_get(self, request): return {}", "allowed: collection_get(self)."),
    ("def patch(self, id): return {}", "allowed: patch(self)."),
    ("def is_known_field(self): return True", "allowed: is_known_field(self, field)."),
    ("def _raise_400_if_invalid_id(self): return", "(self, record_id)."),
]


@pytest.mark.clause("E-8.17")
@pytest.mark.parametrize(("code", "said"), HOOKS)
@pytest.mark.parametrize("base", [Plant, Shared])
def test_a_hook_that_cannot_be_called_is_refused(base: type, code: str, said: str) -> None:
    attributes: dict[str, Any] = {}
    exec(code, attributes)
    del attributes["__builtins__"]

    message = refusal(type("Moss", (base,), attributes))

    (name,) = attributes
    assert ": class Moss: module" in message or f": class Moss: {name} is" in message
    assert f"{name} " in message
    assert said in message


@pytest.mark.clause("E-8.17")
def test_the_place_of_a_wrong_hook_is_that_of_its_function() -> None:
    class Moss(Plant):
        def process_record(self, new: Any) -> Any:
            return new

    line = getsourcelines(Moss.process_record)[1]

    assert refusal(Moss).startswith(f"{place(Moss)}{__file__}:{line}: process_record takes ")


@pytest.mark.clause("E-8.17")
def test_wrong_methods_of_viewsets_and_models_are_refused() -> None:
    class Own(resource.ViewSet):
        def get_view_arguments(self, endpoint_type: str) -> Any:
            return {}

    class Stored(resource.Model):
        async def get_record(self, record_id: str, parent_id: Any = None) -> Any:
            return {}

    class Fern(Plant):
        default_model = Stored

    assert "allowed: get_view_arguments(self, endpoint_type, resource_cls, method)." in refusal(
        Plant, viewset=Own()
    )
    assert "get_record is async" in refusal(Fern)


@pytest.mark.clause("E-8.17")
def test_hooks_that_can_be_called_are_allowed() -> None:
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function("a logger", *args, **kwargs)

        return wrapper

    class Moss(Plant):
        @logged
        def process_record(logger: Any, self: Any, new: Any, old: Any = None) -> Any:  # noqa: N805 - the decorator gives it
            return new

        @staticmethod
        def get_parent_id(request: Any) -> str:
            return "all"

        @classmethod
        def is_known_field(cls, field: str) -> bool:
            return True

        apply_changes = functools.partialmethod(resource.UserResource.apply_changes)

        def postprocess(self, *args: Any, **kwargs: Any) -> Any:
            return super().postprocess(*args, **kwargs)

    class Listed(Plant):
        """Nothing but reads calls the hook, with the result alone."""

        def postprocess(self, result: Any) -> Any:
            return super().postprocess(result)

        def process_record(self, new: Any) -> Any:
            return new

        def collection_delete(self, force: bool) -> Any:
            return force

    make_app([Moss, (Listed, {"collection_methods": ("GET",), "record_methods": ("GET",)})])

    assert doubts(Moss) == []


@pytest.mark.clause("E-8.17")
def test_a_property_in_the_place_of_a_hook_is_told() -> None:
    class Moss(Plant):
        @property
        def get_parent_id(self) -> Any:
            return lambda request: "all"

    assert doubts(Moss) == [
        f"{place(Moss)}{place(Moss)}get_parent_id is a property; allowed: a method, "
        "get_parent_id(self, request)."
    ]


@pytest.mark.clause("E-8.17")
@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("postprocess", "no listener or subscriber is told; allowed: what may be meant, with not"),
        ("_extract_filters", "lists have the records that are not shared with the user; allowed"),
    ],
)
def test_a_hook_that_leaves_out_what_the_library_does_is_told(name: str, lost: str) -> None:
    class Moss(Shared):
        def postprocess(self, result: Any, action: Any = None, old: Any = None) -> Any:
            return {"data": result}

        def _extract_filters(self, queryparams: Any = None) -> Any:
            return []

    delattr(Moss, {"postprocess": "_extract_filters"}.get(name, "postprocess"))

    line = getsourcelines(getattr(Moss, name))[1]
    (told,) = doubts(Moss)
    assert told.startswith(
        f"{place(Moss)}{__file__}:{line}: {name} does not call super().{name}(), so that {lost}"
    )


@pytest.mark.clause("E-8.17")
def test_hooks_that_know_what_they_leave_out_are_not_told() -> None:
    class Moss(Shared):
        def postprocess(self, result: Any, action: Any = None, old: Any = None) -> Any:
            self.request.notify_resource_event(data=result, action=action, old=old)
            return {"data": result}

        def _extract_filters(self, queryparams: Any = None) -> Any:
            return resource.ShareableResource._extract_filters(self, queryparams)

    class Fern(Plant):
        """Nobody shares the records of a user."""

        def _extract_filters(self, queryparams: Any = None) -> Any:
            return []

    assert doubts(Moss) == doubts(Fern) == []


# Fields


def schema_class(**attributes: Any) -> Any:
    return type("MossSchema", (NameSchema,), attributes)


def moss(schema: type, **attributes: Any) -> Any:
    return type("Moss", (resource.UserResource,), {"mapping": schema(), **attributes})


def node(kind: Any = colander.String, **arguments: Any) -> Any:
    return colander.SchemaNode(kind(), **arguments)


class Inner(colander.MappingSchema):
    pass


NO_FIELDS = [
    ({"title": (node(),)}, "title is a tuple, which a comma at its end makes; allowed: a node"),
    ({"title": colander.String()}, "title is the type String alone; allowed: title = colander."),
    ({"title": colander.Date}, "title is the class Date; allowed: title = colander.SchemaNode("),
    ({"size": int}, "size is the class int; allowed: a node, as in size = colander.SchemaNode("),
    (
        {"size": colander.SchemaNode(colander.Integer)},
        "the field 'size' has the class Integer as its type; allowed: an instance, as in ",
    ),
    (
        {"tags": colander.SchemaNode(colander.Sequence())},
        "the field 'tags' is a Sequence without the node of its items; allowed: colander.",
    ),
    (
        {
            "tags": colander.SchemaNode(
                colander.Sequence(), colander.SchemaNode(colander.Sequence())
            )
        },
        "an item of the type Sequence is a Sequence without the node of its items; allowed: ",
    ),
]


@pytest.mark.clause("E-8.18")
@pytest.mark.parametrize(("attributes", "said"), NO_FIELDS)
def test_what_was_meant_to_be_a_field_is_refused(attributes: dict[str, Any], said: str) -> None:
    message = refusal(moss(schema_class(**attributes)))

    assert "class MossSchema: " in message
    assert said in message


@pytest.mark.clause("E-8.18")
def test_a_field_within_a_field_is_judged_too() -> None:
    inner = type("InnerSchema", (colander.MappingSchema,), {"title": (node(),)})

    message = refusal(moss(schema_class(inner=inner())))

    assert "class InnerSchema: title is a tuple" in message


OTHER_MEANINGS = [
    (schema_class(id=node(colander.Integer)), "the field 'id' is declared, and is a text, which"),
    (schema_class(last_modified=node()), "the field 'last_modified' is declared, and is a number"),
    (schema_class(deleted=node(colander.Boolean)), "the field 'deleted' is declared, and is the "),
    (
        schema_class(size=node(), min_size=node()),
        "'min_size' is a field, so that clients have no filter MIN of 'size'; allowed: another",
    ),
    (schema_class(Inner=Inner), "Inner is a class, and no field; allowed: an instance, as in "),
    (
        schema_class(place=node(colander.Mapping)),
        "the field 'place' is a Mapping without fields, so that nothing is kept of what clients ",
    ),
    (
        schema_class(flag=colander.SchemaNode(colander.Boolean(true_choices=("yes",)))),
        "the field 'flag' stores true and false, and does not take both of them, so that PATCH ",
    ),
    (
        schema_class(flag=colander.SchemaNode(colander.Boolean(false_choices=("no",)))),
        "the field 'flag' stores true and false, and does not take both of them, so that PATCH ",
    ),
    (schema_class(__annotations__={"size": int}), "size is an annotation, and no field; allowed"),
]


@pytest.mark.clause("E-8.18")
@pytest.mark.parametrize(("schema", "said"), OTHER_MEANINGS)
def test_a_field_with_another_meaning_is_told(schema: type, said: str) -> None:
    (told,) = doubts(moss(schema))

    assert "class MossSchema: " in told
    assert said in told


@pytest.mark.clause("E-8.18")
def test_fields_and_other_attributes_that_may_be_meant_are_allowed() -> None:
    class MossSchema(resource.ResourceSchema):
        class Address(colander.MappingSchema):
            street = node()

        KINDS = (int, str)
        kind = int
        _hidden = colander.String()
        schema_type_of_ids = colander.String

        id = node(missing=colander.drop)
        last_modified = resource.schema.TimeStamp()
        min_age = node(colander.Integer)
        address = Address()
        kept = colander.SchemaNode(colander.Mapping(unknown="preserve"))
        prepared = colander.SchemaNode(colander.Mapping(), preparer=dict)
        flag = colander.SchemaNode(colander.Boolean(true_choices=("true", "yes")))

        def deserialize(self, cstruct: Any = colander.null) -> Any:
            return super().deserialize((cstruct, self.kind, self.schema_type_of_ids)[0])

    assert doubts(moss(MossSchema)) == []


@pytest.mark.clause("E-8.18")
def test_a_resource_that_keeps_nothing_is_told() -> None:
    class Moss(resource.UserResource):
        pass

    class Made(resource.UserResource):
        def process_record(self, new: Any, old: Any = None) -> Any:
            return {**new, "size": 1}

    (told,) = doubts(Moss)
    assert told.startswith(f"{place(Moss)}mapping is missing, so that nothing is kept of what ")
    assert doubts(Made) == []
    assert doubts(Moss, collection_methods=("GET",), record_methods=("GET", "DELETE")) == []


# Options


OPTIONS = [
    ({"preserve_unknown": "no"}, "preserve_unknown is 'no'; allowed: True or False."),
    ({"preserve_unknown": 1}, "preserve_unknown is 1; allowed: True or False."),
    ({"readonly_fields": None}, "readonly_fields is None; allowed: a tuple, as in ('name',)."),
    ({"indexed_fields": {"name": 1}}, "indexed_fields is {'name': 1}; allowed: a tuple"),
]


@pytest.mark.clause("E-8.6")
@pytest.mark.parametrize(("options", "said"), OPTIONS)
def test_an_option_of_another_type_is_refused(options: dict[str, Any], said: str) -> None:
    message = refusal(moss(schema_class(Options=type("Options", (), options))))

    assert "class MossSchema: " in message
    assert said in message


@pytest.mark.clause("E-8.6")
def test_options_that_are_no_class_are_refused() -> None:
    message = refusal(moss(schema_class(Options={"unique_fields": ("name",)})))

    assert message.endswith(
        "Options is {'unique_fields': ('name',)}; allowed: a class, as in class Options: "
        "unique_fields = ('name',)."
    )


@pytest.mark.clause("E-8.3")
def test_a_name_that_is_no_part_of_a_url_is_told() -> None:
    (told,) = doubts(Plant, name="my plants/x")

    assert "the name of the resource is 'my plants/x'; allowed: letters, digits, " in told


@pytest.mark.clause("S-11.4")
def test_a_scan_before_the_library_is_set_up_names_the_class() -> None:
    from pyramid.config import Configurator
    from pyramid.exceptions import ConfigurationError

    with pytest.raises(ConfigurationError) as caught:
        add_resource(Configurator(), Plant)

    assert place(Plant) in str(caught.value)
    assert "cliquet.initialize() comes before config.scan()" in str(caught.value)


@pytest.mark.clause("E-17.7")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("lang", "query_parameters is 'lang'; allowed: a tuple of names, as in ('lang',)."),
        (None, "query_parameters is None; allowed: a tuple of names, as in ('colour',)."),
        (("name",), "query_parameters has 'name'; allowed: names that are neither fields nor "),
        (("_since",), "query_parameters has '_since'; allowed: names that are neither fields nor "),
        ((5,), "query_parameters has 5; allowed: "),
    ],
)
def test_parameters_that_are_none_are_refused(given: object, said: str) -> None:
    assert said in refusal(type("Moss", (Plant,), {"query_parameters": given}))
