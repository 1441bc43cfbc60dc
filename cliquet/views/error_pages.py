"""The pages that the ``type`` of errors leads to (RFC 9457 3.1.1)."""

from __future__ import annotations

import html
import json
import re
from http import HTTPStatus
from typing import Final

from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet.errors import ERRORS
from cliquet.views.errors import page_not_found
from cliquet.web import problem_types, problems
from cliquet.web.service import Service

__all__ = ["error_page"]

error_page = Service(
    name="error-page",
    path=f"{problems.PAGES_PATH}{{errno}}",
    description="What an error means",
    gives_way=True,
    cors_enabled=False,
)

_ERRORS: Final = {str(error.value): error for error in ERRORS}
# A page has nothing but text.
_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Error {errno}: {title}</title>
</head>
<body>
<main>
<h1>Error {errno}: {title}</h1>
<p>Status {status}, <code>{name}</code></p>
<h2>When the service sends it</h2>
<p>{meaning}</p>
<h2>What a client should do</h2>
<p>{advice}</p>
<h2>Example</h2>
<pre>{example}</pre>
</main>
</body>
</html>
"""


@error_page.get(permission=NO_PERMISSION_REQUIRED)
def get_error_page(request: Request) -> Response:
    """Answer with the page of an error number."""
    error = _ERRORS.get(request.matchdict["errno"])
    if error is None:
        raise page_not_found(request)
    kind = problem_types.TYPES[error]
    url = problems.type_of(request.registry, request.environ, error.value)
    shown = problems.problem(problem_types.example(error), error.status, url)
    text = _PAGE.format(
        errno=error.value,
        name=error.name,
        status=f"{error.status} {HTTPStatus(error.status).phrase}",
        title=_marked_up(kind.title),
        meaning=_marked_up(kind.meaning),
        advice=_marked_up(kind.advice),
        example=html.escape(json.dumps(shown, indent=2), quote=False),
    )
    headers = {
        "Content-Type": "text/html; charset=UTF-8",
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
        # It only changes with a release of the library.
        "Cache-Control": "max-age=3600",
    }
    return Response(text.encode(), headers=headers)


def _marked_up(text: str) -> str:
    return re.sub("``(.+?)``", r"<code>\1</code>", html.escape(text, quote=False))
