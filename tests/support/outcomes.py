"""An application whose requests can end in every way, for what holds of all responses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyramid import httpexceptions
from pyramid.security import NO_PERMISSION_REQUIRED
from testapp import Mushroom, Truffle
from webtest import TestApp

from cliquet import Service
from cliquet.errors import http_error
from cliquet.storage.exceptions import BackendError
from cliquet.testing.web import basic_auth
from support.shared_apps import make_app

UNKNOWN_ID = "404404ff-0000-4000-8000-000000000001"
FUTURE_ETAG = '"253402300799999"'
RAISED = {
    "crash": lambda: RuntimeError("a secret"),
    "backend": lambda: BackendError(original=RuntimeError("a secret")),
    "forbidden": httpexceptions.HTTPForbidden,
    "storage-full": httpexceptions.HTTPInsufficientStorage,
    "maintenance": lambda: http_error(
        httpexceptions.HTTPServiceUnavailable(), errno=201, message="Back at noon."
    ),
    "teapot": lambda: http_error(httpexceptions.HTTPConflict(), errno=4711, message="Short."),
}


def _raise(request: Any) -> None:
    raise RAISED[request.matchdict["error"]]()


def _configure(config: Any) -> None:
    service = Service(name="raises", path="/raises/{error}")
    for method in ("GET", "PUT"):
        service.add_view(method, _raise, permission=NO_PERMISSION_REQUIRED)
    config.add_cornice_service(service)
    config.registry.heartbeats["sick"] = lambda request: False


def make_outcomes_app(settings: Any = None) -> TestApp:
    """Return a client of an application that knows every outcome below."""
    return make_app([Mushroom, Truffle], settings=settings, configure=_configure)


@dataclass(frozen=True)
class Outcome:
    """One request and the status that it gets."""

    name: str
    status: int
    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=basic_auth)
    body: dict[str, Any] | None = None
    prepare: Callable[[Any], object] | None = None
    endpoint: bool = True
    """Whether a service is known to be addressed."""

    def __call__(self, client: Any, **headers: Any) -> Any:
        """Send the request, with more headers, and return its response."""
        if self.prepare is not None:
            self.prepare(client)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        kwargs: dict[str, Any] = {"headers": {**self.headers, **headers}, "status": self.status}
        method = self.method.lower()
        if self.body is not None:
            return getattr(client, f"{method}_json")(self.path, self.body, **kwargs)
        return getattr(client, method)(self.path, **kwargs)


def _take_email(client: Any) -> None:
    body = {"data": {"name": "black", "email": "t@example.org"}}
    client.put_json(f"/v0/truffles/{UNKNOWN_ID}", body, headers=basic_auth())


_NAMELESS: dict[str, Any] = {"data": {}}
_NAMED = {"data": {"name": "cep"}}

OUTCOMES = (
    Outcome("hello", 200, "/v0/", headers={}),
    Outcome("list", 200, "/v0/mushrooms"),
    Outcome("head", 200, "/v0/mushrooms", "HEAD"),
    Outcome("creation", 201, "/v0/mushrooms", "POST", body=_NAMED),
    Outcome(
        "not-modified",
        304,
        "/v0/mushrooms",
        headers={**basic_auth(), "If-None-Match": FUTURE_ETAG},
    ),
    Outcome("version-redirect", 307, "/mushrooms", endpoint=False),
    Outcome("slash-redirect", 307, "/v0/mushrooms/", endpoint=False),
    Outcome("invalid-body", 400, "/v0/mushrooms", "POST", body=_NAMELESS),
    Outcome("invalid-query", 400, "/v0/mushrooms?_limit=x"),
    # Refused before routes are looked at.
    Outcome("invalid-escape", 400, "/v0/mushrooms?a=%ff", endpoint=False),
    Outcome("anonymous", 401, "/v0/mushrooms", headers={}),
    Outcome("forbidden", 403, "/v0/raises/forbidden"),
    Outcome("unknown-url", 404, "/v0/nothing", endpoint=False),
    Outcome("unknown-version", 404, "/v9/mushrooms", endpoint=False),
    Outcome("unknown-record", 404, f"/v0/mushrooms/{UNKNOWN_ID}"),
    Outcome("bad-method", 405, "/v0/mushrooms", "PUT", body=_NAMED),
    Outcome("not-acceptable", 406, "/v0/mushrooms", headers={**basic_auth(), "Accept": "a/b"}),
    Outcome(
        "conflict",
        409,
        f"/v0/truffles/{UNKNOWN_ID[:-1]}2",
        "PUT",
        body={"data": {"name": "white", "email": "t@example.org"}},
        prepare=_take_email,
    ),
    Outcome("precondition", 412, "/v0/mushrooms", headers={**basic_auth(), "If-Match": '"1"'}),
    Outcome(
        "media-type",
        415,
        "/v0/mushrooms",
        "POST",
        headers={**basic_auth(), "Content-Type": "text/plain"},
        body=_NAMED,
    ),
    Outcome("application-error", 409, "/v0/raises/teapot"),
    Outcome("application-5xx", 507, "/v0/raises/storage-full"),
    Outcome("crash", 500, "/v0/raises/crash"),
    Outcome("backend-failure", 503, "/v0/raises/backend"),
    Outcome("maintenance", 503, "/v0/raises/maintenance"),
    Outcome("heartbeat", 503, "/v0/__heartbeat__", headers={}),
)


def outcomes(*excluded: Any) -> Any:
    """Return the parametrization of a test with every outcome but those named."""
    kept = [outcome for outcome in OUTCOMES if outcome.name not in excluded]
    return pytest.mark.parametrize("outcome", kept, ids=lambda outcome: outcome.name)
