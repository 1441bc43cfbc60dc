"""StatsD and Prometheus cost little: whoever runs a service has them on (issue 11)."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pyramid.request import Request
from support.garbage import uncollected
from support.sharing import Toadstool

from cliquet.testing.web import basic_auth, make_app

USER = "system.Authenticated"
OPENED = {"toadstool_create_principals": USER, "toadstool_read_principals": USER}
BOTH = {"statsd_url": "udp://127.0.0.1:9", "prometheus_enabled": "true"}
# What both added to a GET when this was written; fewer are welcome.
MOST_CALLS = 50


def calls_of_a_get(**settings: str) -> int:
    """Return how many functions the third of three equal requests calls."""
    app: Any = make_app([Toadstool], settings={**OPENED, **settings})
    auth = basic_auth()
    made = app.post_json("/v0/toadstools", {"data": {"name": "Fly agaric"}}, headers=auth)
    path = f"/v0/toadstools/{made.json['data']['id']}"
    number = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal number
        number += event == "call"

    for _ in range(3):
        request = Request.blank(path, headers=auth)
        number, former = 0, sys.getprofile()
        with uncollected():
            sys.setprofile(count)
            try:
                status, _, _ = request.call_application(app.app)
            finally:
                sys.setprofile(former)
        assert status == "200 OK"
    return number


@pytest.mark.clause("S-20.3", "E-6.2")
def test_metrics_add_few_calls_to_a_request() -> None:
    assert calls_of_a_get(**BOTH) - calls_of_a_get() <= MOST_CALLS
