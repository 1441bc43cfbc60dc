"""A plugin of the example service: requests that take as long as a test wants.

The change of a record named ``slow`` makes the file ``begun`` in ``DEPLOYMENT_FOLDER``, with the
id of its process, and goes on once there is a file ``released``: within the transaction of its
request. Each response says which process sent it, in ``X-Worker``.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from pyramid.events import NewResponse

from cliquet.events import ResourceChanged
from cliquet.storage.exceptions import BackendError

PATIENCE_SECONDS = 15


def linger(event: Any) -> None:
    if not any(change.get("new", {}).get("name") == "slow" for change in event.impacted_records):
        return
    folder = Path(os.environ["DEPLOYMENT_FOLDER"])
    # Whole at once, for who waits for it.
    (folder / "beginning").write_text(str(os.getpid()))
    (folder / "beginning").rename(folder / "begun")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (folder / "released").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def sign(event: Any) -> None:
    event.response.headers["X-Worker"] = str(os.getpid())


def includeme(config: Any) -> None:
    config.add_subscriber(linger, ResourceChanged)
    config.add_subscriber(sign, NewResponse)
    # As plugins do that ask the storage when they start: a server that loads the application before
    # it forks has an open connection by then.
    with contextlib.suppress(BackendError):  # no tables yet
        config.registry.storage.get_all("mushroom", "nobody")
