"""Services whose code has mistakes, and what is said of them at the start."""

import inspect
from typing import Any

import colander
import pytest
from pyramid.exceptions import ConfigurationError

from cliquet import resource
from support.logged import capture_logs
from support.shared_apps import make_app


class NameSchema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String())


class Plant(resource.UserResource):
    mapping = NameSchema()


class Shared(resource.ShareableResource):
    mapping = NameSchema()


def place(cls: type) -> str:
    return (
        f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}: class {cls.__qualname__}: "
    )


def refusal(cls: Any, **kwargs: Any) -> str:
    """Return the message of the error at the start of a service with one resource."""
    with pytest.raises(ConfigurationError) as caught:
        make_app([(cls, kwargs)])
    return str(caught.value)


def doubts(cls: Any, **kwargs: Any) -> list[str]:
    """Return the places that the log tells at the start of a service with one resource."""
    with capture_logs() as entries:
        make_app([(cls, kwargs)])
    return [place for entry in entries for place in entry.get("places", ())]
