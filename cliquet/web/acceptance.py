"""Accepts a value that already has the JSON types of a colander schema, without asking colander.

Most records that clients send fit, and what colander then returns is known beforehand: the declared
members in the order of the schema, then the unknown ones. Everything else is doubtful: colander
decides about it and words the errors. No code of an application runs here, so that nothing of it
runs twice when colander is asked afterwards.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

import colander

__all__ = ["DOUBT", "Acceptance", "keeps_exact_values", "runs_no_other_code"]

Accept = Callable[[Any], Any]
"""Return what colander would return for a value, or raise :class:`_DoubtError`."""

# JSON numbers that every storage keeps; colander passes others on, and the schema refuses them.
_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**64 - 1

# The types of values that are as they are, and of which everybody may have the same.
_UNCOPIED = frozenset((str, bool, type(None)))

DOUBT = object()
"""The answer about a value that colander has to judge."""

_Class = TypeVar("_Class", bound=type)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def keeps_exact_values(deserialize: _Function) -> _Function:
    """Mark a ``deserialize`` that adds nothing to that of colander for values accepted here.

    For an absent member it is called, unless the member is dropped.
    """
    deserialize._keeps_exact_values = True  # type: ignore[attr-defined]  # a mark of this module
    return deserialize


def runs_no_other_code(cls: _Class) -> _Class:
    """Mark a class of nodes that colander is asked about for each value, because that is safe."""
    cls._runs_no_other_code = True  # type: ignore[attr-defined]  # a mark of this module
    return cls


class _DoubtError(Exception):
    """The value, or the schema, is for colander."""


class Acceptance:
    """What is accepted for one mapping node; it is compiled when the node is used again.

    If the application changes an attribute of a node or of its type, it is compiled anew.

    Parameters
    ----------
    node : the node.
    owner : the class whose ``deserialize`` asks; those that override it have already run.
    """

    def __init__(self, node: Any = None, owner: type | None = None) -> None:
        self.node = node
        self._owner = owner
        # A schema that is copied for each request is not worth the time.
        self._is_used = False
        self._accept: Accept | None = None
        self._present: list[dict[str, Any]] = []
        self._compiled_from: list[dict[str, Any]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        # A copied or pickled schema begins anew, because the compiled functions know the old nodes.
        return Acceptance, ()

    def __call__(self, value: Any) -> Any:
        """Return what colander would return, or :data:`DOUBT`."""
        accept = self._accept
        if accept is None:
            if not self._is_used:
                self._is_used = True
                return DOUBT
            accept = self._accept = self._compile()
        if self._present != self._compiled_from:
            self._accept, self._is_used = None, False
            return DOUBT
        try:
            return accept(value)
        except (_DoubtError, colander.Invalid):
            return DOUBT

    def _compile(self) -> Accept:
        classes = type(self.node).__mro__
        start = classes.index(self._owner) if self._owner else 0
        try:
            accept = _compiled(self.node, classes[start:])
        except _DoubtError:
            self._present = self._compiled_from = []
            return lambda value: DOUBT
        self._present = _attributes(self.node)
        self._compiled_from = [_kept(attributes) for attributes in self._present]
        return accept


def _attributes(node: Any) -> list[dict[str, Any]]:
    """Return the attributes of a tree of nodes and of their types."""
    below = [attributes for child in node.children for attributes in _attributes(child)]
    return [vars(node), vars(node.typ), *below]


def _kept(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy, which keeps the nodes below even if others are put beside them."""
    children = attributes.get("children")
    if type(children) is not list:
        return dict(attributes)
    return {**attributes, "children": list(children)}


def _is_exact(classes: tuple[type, ...]) -> bool:
    overrides = (vars(cls)["deserialize"] for cls in classes if "deserialize" in vars(cls))
    return all(
        override is colander.SchemaNode.deserialize or hasattr(override, "_keeps_exact_values")
        for override in overrides
    )


def _compiled(node: Any, classes: tuple[type, ...] | None = None) -> Accept:
    """Return the function that accepts the values of a node.

    Parameters
    ----------
    classes : the classes of which one is asked to deserialize; by default, all of the node.

    Raises
    ------
    _DoubtError : only colander knows what the node does.
    """
    typ = _static(node, "typ")
    compile_type = _COMPILERS.get(type(typ))
    if compile_type is None or "deserialize" in vars(typ):
        raise _DoubtError
    for name in ("missing", "after_bind", "bindings"):
        # The result may depend on the request.
        _static(node, name)
    if node.after_bind or node.bindings:
        raise _DoubtError
    accept = compile_type(node, typ)
    if _is_own(node):
        return lambda value: node.deserialize(accept(value))

    validator = _static(node, "validator")
    is_overridden = "deserialize" in vars(node) or not _is_exact(classes or type(node).__mro__)
    if is_overridden or _static(node, "preparer") is not None or not _is_known(validator):
        raise _DoubtError
    if validator is None:
        return accept

    def accept_valid(value: Any) -> Any:
        accepted = accept(value)
        validator(node, accepted)
        return accepted

    return accept_valid


def _static(node: Any, name: str) -> Any:
    """Return an attribute, unless it is computed by a method or a property, or deferred."""
    found = inspect.getattr_static(node, name)
    if hasattr(type(found), "__get__") or isinstance(found, colander.deferred):
        raise _DoubtError
    return found


def _is_own(node: Any) -> bool:
    """Return whether the class is marked, not its parent, and the instance replaces nothing."""
    replaced = {"deserialize", "preparer", "validator", "after_bind"} & vars(node).keys()
    return "_runs_no_other_code" in vars(type(node)) and not replaced


def _is_known(validator: Any) -> bool:
    if type(validator) in (colander.All, colander.Any):
        return all(map(_is_known, validator.validators))
    return validator is None or type(validator) in _VALIDATORS


_VALIDATORS = (
    colander.Length,
    colander.Range,
    colander.OneOf,
    colander.NoneOf,
    colander.ContainsOnly,
    colander.Regex,
    colander.Email,
)


def _sequence(node: Any, typ: Any) -> Accept:
    if len(node.children) != 1:
        raise _DoubtError
    accept_item = _compiled(node.children[0])

    def accept(value: Any) -> Any:
        if type(value) is list:
            return [accept_item(item) for item in value]
        raise _DoubtError

    return accept


def _mapping(node: Any, typ: Any) -> Accept:
    members: list[tuple[str, Any, bool, Any, Accept]] = []
    for child in node.children:
        accept_child = _compiled(child)
        kind = _ACCEPTED_BY_TYPE.get(accept_child)
        members.append((child.name, child, _is_blank_absent(child.typ), kind, accept_child))
    names = frozenset(child.name for child in node.children)
    if len(names) != len(members):
        raise _DoubtError
    unknown = typ.unknown

    def accept(value: Any) -> Any:
        if type(value) is not dict:
            raise _DoubtError
        result = {}
        given = 0
        for name, child, is_blank_absent, kind, accept_member in members:
            if name in value:
                given += 1
                item = value[name]
                # Most members are texts and the like, and a call for each takes longer.
                if (
                    type(item) is kind
                    and (item or kind is not str)
                    and (kind is not int or _LEAST_INTEGER <= item <= _GREATEST_INTEGER)
                ):
                    result[name] = item
                    continue
                if item or not is_blank_absent or item not in ("", None):
                    result[name] = accept_member(item)
                    continue
            if child.missing is not colander.drop:
                result[name] = _absent(child)
        if given != len(value) and unknown != "ignore":
            if unknown == "raise":
                raise _DoubtError
            for name, item in value.items():
                if name not in names:
                    result[name] = item if type(item) is str else _copied(item)
        return result

    return accept


def _is_blank_absent(typ: Any) -> bool:
    """Return whether colander takes the empty text and null for an absent member.

    What else it takes for one is no text: that is for the schema of a record to refuse.
    """
    return type(typ) is colander.String and not typ.allow_empty


def _absent(node: Any) -> Any:
    """Return the value of an absent member; colander does not copy it."""
    value = node.deserialize(colander.null)
    _copied(value)
    return value


# What each type of colander that stands for itself accepts: values that it would not change. A
# function makes the function that accepts the values of one node, by the options of its type.


def _accept_text(value: Any) -> Any:
    # Colander takes the empty text as absent, unless the type says otherwise.
    if type(value) is str and value:
        return value
    raise _DoubtError


def _accept_any_text(value: Any) -> Any:
    if type(value) is str:
        return value
    raise _DoubtError


def _string(node: Any, typ: Any) -> Accept:
    if typ.encoding is not None:
        raise _DoubtError
    return _accept_any_text if typ.allow_empty else _accept_text


def _accept_integer(value: Any) -> Any:
    # A boolean is no integer, and what JSON cannot keep is refused elsewhere.
    if type(value) is int and _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
        return value
    raise _DoubtError


def _integer(node: Any, typ: Any) -> Accept:
    # Both functions of the type return an integer as it is.
    if typ.num is not int and getattr(typ.num, "__module__", None) != "colander":
        raise _DoubtError
    return _accept_integer


def _float(node: Any, typ: Any) -> Accept:
    if typ.num is not float:
        raise _DoubtError

    def accept(value: Any) -> Any:
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is int and _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
            return float(value)
        raise _DoubtError

    return accept


def _accept_truth(value: Any) -> Any:
    if type(value) is bool:
        return value
    raise _DoubtError


def _boolean(node: Any, typ: Any) -> Accept:
    try:
        # The type may give the two words any meaning.
        meanings = {value: typ.deserialize(node, value) for value in (False, True)}
    except colander.Invalid:
        raise _DoubtError from None
    if meanings[True] is True and meanings[False] is False:
        return _accept_truth

    def accept(value: Any) -> Any:
        if type(value) is bool:
            return meanings[value]
        raise _DoubtError

    return accept


def _accept_list(value: Any) -> Any:
    if type(value) is list:
        return value.copy() if _UNCOPIED.issuperset(map(type, value)) else _copied(value)
    raise _DoubtError


def _list(node: Any, typ: Any) -> Accept:
    return _accept_list


def _copied(value: Any) -> Any:
    """Return a copy of a JSON value whose numbers can all be stored."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int and _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
        return value
    if kind is float and math.isfinite(value):
        return value
    # Most values are texts and the like, and need no call.
    if kind is list:
        if _UNCOPIED.issuperset(map(type, value)):
            return value.copy()
        return [item if type(item) is str else _copied(item) for item in value]
    if kind is dict:
        if _UNCOPIED.issuperset(map(type, value.values())):
            return value.copy()
        return {name: item if type(item) is str else _copied(item) for name, item in value.items()}
    raise _DoubtError


# The functions that accept each value of a type, but for the empty text, and for integers that JSON
# cannot keep.
_ACCEPTED_BY_TYPE: dict[Accept, type] = {
    _accept_text: str,
    _accept_any_text: str,
    _accept_integer: int,
    _accept_truth: bool,
}

# Types that stand for themselves; a subclass of an application may do anything.
_COMPILERS: dict[type, Callable[[Any, Any], Accept]] = {
    colander.String: _string,
    colander.Integer: _integer,
    colander.Float: _float,
    colander.Boolean: _boolean,
    colander.List: _list,
    colander.Sequence: _sequence,
    colander.Mapping: _mapping,
}
