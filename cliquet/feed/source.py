"""Reads changes for one client that waits, each time by a request of its own.

The request has the headers with which the client has come, and goes the whole way of a request:
authentication, permissions, hooks of the resource. So access is judged as for any list, and nothing
is held in between, neither a connection to a database nor a transaction.
"""

from __future__ import annotations

import hashlib
import io
import time
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from pyramid.request import Request
from pyramid.response import Response

from cliquet.core import jsonio
from cliquet.errors import ERRORS
from cliquet.feed import events
from cliquet.feed.events import Item
from cliquet.monitoring import logs
from cliquet.storage.selection import CollectionKey
from cliquet.web import inherited, problems, registrations

__all__ = ["Page", "Source"]

# Headers about this response, which do not say who the client is.
_OF_THE_RESPONSE: Final = (
    *("HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_LAST_EVENT_ID", "HTTP_RANGE"),
    *("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"),
    *("HTTP_CACHE_CONTROL", "HTTP_CONNECTION", "CONTENT_TYPE"),
)
_OF_NO_MATTER: Final = {"HTTP_USER_AGENT", "HTTP_X_REQUEST_ID", "HTTP_PREFER"}
_OF_THE_TRANSACTION: Final = ("tm.active", "tm.manager")


class Page(NamedTuple):
    """An answer to the question for changes.

    Attributes
    ----------
    status : HTTP status; anything but 200 is an error.
    items : changes as they are sent.
    token : token with which to go on after it.
    is_last : whether there was nothing more at that moment.
    refusal : response with the error.
    errno : number of the error, 0 if there is none.
    details : what the error says of it.
    client : digest of the client that has asked.
    judged_at : time of the monotonic clock when the question was asked, in seconds.
    """

    status: int
    items: list[Item]
    token: str
    is_last: bool
    refusal: Response | None
    errno: int
    details: Any
    client: bytes
    judged_at: float

    @property
    def is_outdated(self) -> bool:
        """Whether the client must begin again from the whole list (E-11.5)."""
        outdated: int = ERRORS.SYNC_TOKEN_OUTDATED.value
        return self.errno == outdated

    @property
    def is_for_now(self) -> bool:
        """Whether the service fails, which says nothing of the client."""
        return self.status >= 500


class Source:
    """Asks for the changes of one URL in the name of one client.

    Parameters
    ----------
    request : the request with which the client has come.
    key : collection that it concerns.
    id_field, modified_field : names of these fields in its records.
    is_alike : whether the answer depends on the view alone: the application has replaced nothing
        that could make one for each user.
    max_items : greatest number of items of a page, if the client does not say; ``None`` for that of
        the service.

    Attributes
    ----------
    url : path and filters, as far as the answer depends on them.
    client : digest of the client that asks.
    """

    def __init__(
        self,
        request: Request,
        key: CollectionKey,
        *,
        id_field: str,
        modified_field: str,
        is_alike: bool,
        max_items: int | None = None,
    ) -> None:
        self.key = key
        self.is_alike = is_alike
        self._fields = {"id_field": id_field, "modified_field": modified_field}
        self._registry = request.registry
        self._router: Any = request.invoke_subrequest.__self__
        environ = inherited.environ(
            request,
            method="GET",
            path="",
            query_string="",
            own_headers={},
            body=b"",
            content_type=None,
        )
        self._accept: str = request.environ.get("HTTP_ACCEPT", "")
        for name in (*_OF_THE_RESPONSE, *_OF_THE_TRANSACTION):
            environ.pop(name, None)
        environ["PATH_INFO"] = request.environ["PATH_INFO"]
        self._environ = environ
        self._others = [item for item in request.GET.items() if item[0].strip() != "_sync"]
        if max_items is not None and not any(name.strip() == "_limit" for name, _ in self._others):
            self._others.append(("_limit", str(max_items)))
        self.url = f"{environ['HTTP_HOST']}{environ['PATH_INFO']}?{urlencode(self._others)}"
        self.client = _digest(environ)
        self._query = urlencode([*self._others, ("_sync", "")])

    def query(self, token: str) -> str:
        """Return the query string for the changes since a token."""
        return self._query + quote_plus(token)

    def word(self, error: Response) -> None:
        """Give an error the form that the client wants."""
        problems.rewrite(self._registry, {**self._environ, "HTTP_ACCEPT": self._accept}, error)

    def respond(self, query: str) -> Response:
        """Return the response of the list with a query string."""
        environ = {**self._environ, "QUERY_STRING": query, "wsgi.input": io.BytesIO()}
        request = Request(environ)
        request.registry = self._registry
        # Nothing is remembered from one question to the next. A request within another one is not
        # logged: the stream is.
        request.parent = Request(dict(environ))
        request.parent.registry = self._registry
        for one in (request.parent, request):
            registrations.extend(one)
        with logs.using(getattr(self._registry, "log_renderer", None)):
            response: Response = self._router.invoke_subrequest(request, use_tweens=True)
        return response

    def read(self, query: str) -> Page:
        """Return the page with a query string."""
        judged_at = time.monotonic()
        response = self.respond(query)
        status, body = response.status_code, response.body
        if status == 200:
            headers = response.headers
            return Page(
                status,
                events.items_of(jsonio.loads(body)["data"], **self._fields),
                headers.get("Sync-Token") or _token_of(headers["Next-Page"]),
                "Next-Page" not in headers,
                None,
                0,
                None,
                self.client,
                judged_at,
            )
        try:
            error = jsonio.loads(body)
        except ValueError:
            error = {}
        return Page(
            status,
            [],
            "",
            True,
            response,
            error.get("errno", 0),
            error.get("details"),
            self.client,
            judged_at,
        )


def _token_of(url: str) -> str:
    """Return the token in the URL of the next page."""
    return dict(parse_qsl(urlsplit(url).query))["_sync"]


def _digest(environ: dict[str, Any]) -> bytes:
    """Return what tells clients apart, without keeping their secrets once more."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(environ.items()):
        is_sent = isinstance(value, str) and name not in _OF_NO_MATTER
        if is_sent and name.startswith(("HTTP_", "REMOTE_")):
            digest.update(repr((name, value)).encode("utf-8", "surrogatepass"))
    return digest.digest()
