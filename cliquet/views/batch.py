"""The endpoint that processes several requests in one, in one transaction."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import errors, events, settings, utils
from cliquet.core import jsonio
from cliquet.monitoring import logs
from cliquet.security import authorization
from cliquet.transactions import tweens
from cliquet.views.batch_bounds import (
    MAX_BYTES_OF_CHARACTER,
    Budget,
    Items,
    refusal_of,
    shortened,
)
from cliquet.views.batch_changes import ChangeRun, ChangeRuns
from cliquet.views.batch_reading import validate_batch
from cliquet.views.batch_reads import ReadRun, look_ahead
from cliquet.views.batch_runs import Run, Told
from cliquet.web import problems, registrations, rendering, urls
from cliquet.web import requests as http
from cliquet.web.alike import Likenesses
from cliquet.web.bodies import forget_body, forget_parsed, give_body
from cliquet.web.service import Service

__all__ = ["batch", "validate_batch"]

_RECURSIVE = "Recursive call on /batch endpoint is forbidden."

batch = Service(name="batch", path="/batch", description="Batch operations")


@batch.post(permission=NO_PERMISSION_REQUIRED, validators=(validate_batch,))
def post_batch(request: Request) -> dict[str, Any]:
    """Process the requests in order; each sees the changes of the previous ones (H-25.12).

    An error below 500 becomes a part of the answer, and the changes of its sub-request are undone
    (X-23). Any other failure fails the whole batch, and undoes everything (D-38). When a limit is
    reached, the remaining requests are not begun, and their answers say so (X-34).
    """
    budget = Budget(request)
    if getattr(request, "parent", None) is not None:
        # A batch within this batch was reached through a redirection. The given paths are checked
        # below.
        errors.raise_invalid(request, name="requests", description=_RECURSIVE)
    items = _judged(request, request.validated.pop("requests"))
    # What was read goes as it is answered: by then its sub-request, the events and the answer have
    # copies of their own.
    forget_parsed(request)
    items.reverse()
    responses = []
    run: Run | ReadRun | ChangeRun | None = None
    likenesses = Likenesses(request)
    changes = ChangeRuns(likenesses)
    looked_at: set[str] = set()
    keeps_texts = rendering.is_plain(request.registry)
    while items:
        if run is not None and budget.refusal() is None:
            told = _told(run, budget, run.answered_at_once(items, budget))
            if told:
                responses += told
                continue
        item, own_refusal = items.pop()
        refusal = budget.refusal() or own_refusal
        if refusal is None and isinstance(run, Run) and run.goes_on_with(item):
            described = _continue(request, run, item, budget)
            if described is not None:
                responses.append(described)
                continue
        # The request is only made when it is processed, because its body is another text in memory.
        alike = None if refusal is not None else likenesses.made_of(item)
        if alike is not None:
            subrequest, invoke = alike[0], alike[1].answer
        else:
            subrequest = http.build_request(request, item if refusal is None else shortened(item))
            invoke = None
        # Fields that a sub-request binds to the log only belong to that sub-request.
        with logs.scope():
            if refusal is None:
                if alike is None:
                    _give_body(subrequest, item.get("body"))
                answer = _process(request, subrequest, invoke)
            else:
                answer = http.refuse(subrequest, refusal.error())
            text = answer.response.body
            budget.spend_text(text)
            budget.spend_replaced()
            _log(answer.request, answer.response)
            value = http.rendered_value(answer.request)
            described = (
                http.describe(answer.response, answer.request, text)
                if keeps_texts
                else http.build_response(answer.response, answer.request)
            )
            is_plain = bool(items) and not answer.was_raised and answer.request is subrequest
            if is_plain and alike is None:
                likenesses.learn(item, subrequest, answer.response)
            run = None
            if is_plain:
                run = (
                    Run.begun_by(item, answer, described, value)
                    or ReadRun.begun_by(item, items[-1][0], answer, described, likenesses)
                    or changes.begun_by(item, items, answer, described)
                )
                if run is None:
                    look_ahead(item, items, answer, likenesses, looked_at)
        responses.append(described)
        for served in {subrequest, answer.request}:
            forget_body(served)
    logs.bind(path=batch.path, batch_size=len(responses))
    return {"responses": responses}


def _continue(
    request: Request, run: Run, item: Mapping[str, Any], budget: Budget
) -> dict[str, Any] | None:
    """Answer an item that only differs from the one before in its body, if it succeeds.

    Otherwise nothing of it is left.
    """
    undo = tweens.savepoint(request)
    bound_data = events.snapshot(request)
    with logs.scope(run.log_context):
        answered = run.answered(item)
    if answered is None:
        undo()
        events.restore(request, bound_data)
        return None
    budget.spend_text(answered.text)
    return _told(run, budget, [answered])[0]


def _told(
    run: Run | ReadRun | ChangeRun, budget: Budget, answers: Iterable[Told]
) -> list[dict[str, Any]]:
    """Return answers that went a short way, each after its line in the log.

    Their texts are counted where they are made.
    """
    subscribers = registrations.of(run.request.registry).told_again
    is_logged = logs.logger.writes(logging.INFO)
    told = []
    for answered in answers:
        for subscriber in subscribers:
            subscriber(answered.event)
        if is_logged:
            with logs.scope(run.log_context):
                status: int = answered.described["status"]
                _log_line(answered.path, run.request.method, status)
        told.append(answered.described)
    budget.spend_replaced()
    return told


def _log(subrequest: Request, response: Response) -> None:
    if logs.logger.writes(logging.INFO):
        _log_line(urls.escaped_path(subrequest), subrequest.method, response.status_code)


def _log_line(path: str, method: str, status: int) -> None:
    logs.logger.info("subrequest.summary", path=path, method=method, code=status)


def _give_body(subrequest: Request, body: Any) -> None:
    """Hand over a body that was read, and judged, as a part of the body of the batch."""
    if isinstance(body, dict):
        # It is a copy, because requests share their defaults.
        give_body(subrequest, jsonio.copied(body))


def _judged(request: Request, given: list[dict[str, Any]]) -> Items:
    """Return the items without their hosts, each with its refusal if no server would accept it.

    Raises
    ------
    HTTPBadRequest : one of them leads to this endpoint.
    """
    limit: int | None = settings.read(request.registry.settings, "max_url_bytes")
    short = math.inf if limit is None else limit // MAX_BYTES_OF_CHARACTER
    items: Items = []
    for item in given:
        path, refusal = item["path"], None
        # Nearly all paths are short and plain, and a call for each takes longer than to look.
        if item.get("headers") or len(path) > short:
            item = _without_host(item)
            refusal = refusal_of(item, limit)
        is_suspect = refusal is None and ("%" in path or batch.path in path)
        if is_suspect and _addresses_batch(request, item):
            errors.raise_invalid(request, name="requests", description=_RECURSIVE)
        items.append((item, refusal))
    return items


def _without_host(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without its host: it stays on the host of the batch, which was checked."""
    own = item.get("headers")
    if not own:
        return item
    return {**item, "headers": {n: value for n, value in own.items() if n.lower() != "host"}}


def _addresses_batch(request: Request, item: Mapping[str, Any]) -> bool:
    """Return whether a path leads to this endpoint, however it is written (D-22)."""
    if batch.path not in unquote(item["path"]):
        # Most paths do not, and then no request needs to be made.
        return False
    subrequest = http.build_request(request, {**item, "body": None})
    find_route = request.registry.getUtility(IRoutesMapper)
    try:
        route = find_route(subrequest)["route"]
    except UnicodeDecodeError:
        # The item is answered with 400 when it is processed.
        return False
    path = subrequest.path_info
    redirects = settings.read(subrequest.registry.settings, "trailing_slash_redirect_enabled")
    if route is None and redirects and path.endswith("/"):
        redirected = subrequest.copy_get()
        redirected.path_info = path.rstrip("/")
        route = find_route(redirected)["route"]
    return route is not None and route.name == batch.name


def _process(
    request: Request, subrequest: Request, invoke: Callable[[Request], Response] | None
) -> http.Answer:
    """Answer a sub-request, and undo its changes if it ended in an error (X-23).

    Parameters
    ----------
    invoke : answers it, in place of ``request.invoke_subrequest``.

    Raises
    ------
    Exception : the sub-request failed with 500 or more.
    """
    undo = tweens.savepoint(request)
    bound_data = events.snapshot(request)
    answer = http.answer_first_by(invoke, request, subrequest, use_tweens=False)
    # A 304 is raised too, but is not an error.
    if answer.was_raised and answer.response.status_code >= 400:
        undo()
        events.restore(request, bound_data)
        if not errors.has_json_body(answer.response):
            # The view of an application for its own exceptions may answer anything (H-26.11).
            errors.http_error(answer.response, errno=errors.ERRORS.UNDEFINED)
            problems.rewrite(request.registry, answer.request.environ, answer.response)
    elif subrequest.method not in ("GET", "HEAD") and not _has_created(answer):
        # The application may have changed permissions without the models.
        authorization.forget_granted(request.bound_data)
    return answer


def _has_created(answer: http.Answer) -> bool:
    """Return whether a sub-request created a record, which changes no other permissions."""
    is_resource = utils.current_resource_name(answer.request) is not None
    return is_resource and answer.response.status_code == 201
