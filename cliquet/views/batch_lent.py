"""A request that was answered, while other items of the batch are processed by it.

Subscribers are told of all changes later, and get this request. Then it must be what its own item
has made it, with its validated data and without the faults of others (H-25.25).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

from pyramid.request import Request

__all__ = ["give_own_body", "lent"]


@contextlib.contextmanager
def lent(request: Request) -> Iterator[None]:
    """Give a request back its attributes, its environment and its errors at the end."""
    attributes, environ, errors = request.__dict__, request.environ, request.errors
    own_attributes, own_environ, own_errors = dict(attributes), dict(environ), len(errors)
    try:
        yield
    finally:
        for changed, own in ((attributes, own_attributes), (environ, own_environ)):
            changed.clear()
            changed.update(own)
        del errors[own_errors:]


def give_own_body(request: Request, text: bytes) -> None:
    """Give a request the body of an item, which it will read when somebody asks for it.

    A copy of the body that schemas may change is best read from the same text.
    """
    request.environ["CONTENT_LENGTH"] = str(len(text))
    request.environ["wsgi.input"] = io.BytesIO(text)
