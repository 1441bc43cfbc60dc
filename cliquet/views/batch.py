"""Several requests in one, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import errors, events, settings, utils
from cliquet.monitoring import logs
from cliquet.security import authorization
from cliquet.views.batch_bounds import Budget, refusal_of, shortened
from cliquet.views.batch_reading import validate_batch
from cliquet.web import requests as http
from cliquet.web import transactions, urls
from cliquet.web.service import Service
from cliquet.web.validation import forget_body

__all__ = ["batch", "validate_batch"]

_RECURSIVE = "Recursive call on /batch endpoint is forbidden."

batch = Service(name="batch", path="/batch", description="Batch operations")


@batch.post(permission=NO_PERMISSION_REQUIRED, validators=(validate_batch,))
def post_batch(request: Request) -> dict[str, Any]:
    """Process the requests in order, each seeing what the previous ones did (H-25.12).

    An error below 500 is embedded, and what its sub-request did is undone (X-23). Any other failure
    fails the whole batch, and undoes everything (H-25.20, D-38). What is not begun, since a bound
    is reached, is told so in its place, and changes nothing (X-34).
    """
    budget = Budget(request)
    if getattr(request, "parent", None) is not None:
        # Reached through a redirection; the paths given are judged below.
        errors.raise_invalid(request, name="requests", description=_RECURSIVE)
    requests = map(_without_host, request.validated["requests"])
    items = [(item, refusal_of(request, item)) for item in requests]
    for item, refusal in items:
        if refusal is None and _addresses_batch(request, item):
            errors.raise_invalid(request, name="requests", description=_RECURSIVE)

    responses = []
    for item, own_refusal in items:
        refusal = budget.refusal() or own_refusal
        # Made when its turn comes: its body is a text of its own.
        subrequest = http.build_request(request, item if refusal is None else shortened(item))
        # What a sub-request binds to the log is its own (S-23.23).
        with logs.scope():
            if refusal is None:
                answer = _process(request, subrequest)
            else:
                answer = http.refuse(subrequest, refusal.error())
            budget.spend(answer.response)
            logs.logger.info(
                "subrequest.summary",
                path=urls.escaped_path(answer.request),
                method=answer.request.method,
                code=answer.response.status_code,
            )
        responses.append(http.build_response(answer.response, answer.request))
        for served in {subrequest, answer.request}:
            forget_body(served)
    logs.bind(path=batch.path, batch_size=len(responses))
    return {"responses": responses}


def _without_host(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item that stays on the host of the batch: that one was judged."""
    own = item.get("headers")
    if not own:
        return item
    return {**item, "headers": {n: value for n, value in own.items() if n.lower() != "host"}}


def _addresses_batch(request: Request, item: Mapping[str, Any]) -> bool:
    """Whether a path leads to this endpoint, however it is written (D-22)."""
    if batch.path not in unquote(item["path"]):
        # Most do not, and are spared the making of a request.
        return False
    subrequest = http.build_request(request, {**item, "body": None})
    find_route = request.registry.getUtility(IRoutesMapper)
    try:
        route = find_route(subrequest)["route"]
    except UnicodeDecodeError:
        # Answered with 400 when its turn comes (D-36).
        return False
    path = subrequest.path_info
    redirects = settings.read(subrequest.registry.settings, "trailing_slash_redirect_enabled")
    if route is None and redirects and path.endswith("/"):
        redirected = subrequest.copy_get()
        redirected.path_info = path.rstrip("/")
        route = find_route(redirected)["route"]
    return route is not None and route.name == batch.name


def _process(request: Request, subrequest: Request) -> http.Answer:
    """Answer a sub-request, and undo what it did if it ended in an error (X-23).

    Raises
    ------
    Exception : it failed with 500 or more.
    """
    undo = transactions.savepoint(request)
    bound_data = events.snapshot(request)
    answer = http.answer_subrequest(request, subrequest, use_tweens=False)
    # A 304 is raised too, and is no error.
    if answer.was_raised and answer.response.status_code >= 400:
        undo()
        events.restore(request, bound_data)
        if not errors.has_json_body(answer.response):
            # What an application makes of its own exceptions may be anything (H-26.11).
            errors.http_error(answer.response, errno=errors.ERRORS.UNDEFINED)
    elif subrequest.method not in ("GET", "HEAD") and not _has_created(answer):
        # Its application may have changed permissions behind the back of the models.
        authorization.forget_granted(request.bound_data)
    return answer


def _has_created(answer: http.Answer) -> bool:
    """Whether a sub-request made a record, which changes the permissions of no other object."""
    is_resource = utils.current_resource_name(answer.request) is not None
    return is_resource and answer.response.status_code == 201
