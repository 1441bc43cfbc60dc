"""A service that dies between the commit of the records and that of the permissions.

Run as a program, with the settings as JSON, the method and the path of its one request, and how
long it keeps its locks in Redis, in ms.
"""

import json
import os
import signal
import sys
from typing import Any

import transaction

from cliquet import resource
from cliquet.events import ResourceChanged
from cliquet.permission.redis import joining
from cliquet.testing.web import basic_auth, make_app


class Toadstool(resource.ShareableResource):
    """A resource with permissions."""


class Death:
    """Takes part in a transaction after the databases, and before permissions elsewhere."""

    transaction_manager = transaction.manager

    def sortKey(self) -> str:  # noqa: N802 - name of the interface
        return "~~~b"

    def tpc_vote(self, transaction: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _nothing(self, transaction: Any) -> None:
        pass

    abort = tpc_begin = commit = tpc_finish = tpc_abort = _nothing


def main(settings: Any, method: str, path: str, lease_ms: Any) -> None:
    joining.LEASE_MS = int(lease_ms)

    def die(event: Any) -> None:
        event.request.tm.get().join(Death())

    client = make_app(
        [Toadstool],
        settings={**json.loads(settings), "toadstool_create_principals": "system.Everyone"},
        configure=lambda config: config.add_subscriber(die, ResourceChanged),
    )
    body = b'{"data": {}}' if method == "PUT" else b""
    headers = {**basic_auth("ann"), "Content-Type": "application/json"}
    client.request(path, method=method, body=body, headers=headers)


if __name__ == "__main__":
    main(*sys.argv[1:])
