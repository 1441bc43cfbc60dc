"""An example of a listener: it writes a line for each change into a file."""

from __future__ import annotations

import json
from typing import Any

from cliquet.events import AfterResourceChanged, ResourceChanged
from cliquet.listeners import ListenerBase


class Journal(ListenerBase):
    """Adds lines to a file, which nothing undoes: hence after the commit."""

    after_commit = True

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, event: ResourceChanged | AfterResourceChanged) -> None:
        told = {name: event.payload[name] for name in ("action", "uri", "user_id")}
        with open(self.path, "a") as file:
            file.write(json.dumps({**told, "records": len(event.impacted_records)}) + "\n")


def load_from_config(config: Any, prefix: str) -> Journal:
    """Return the listener; the names of its settings begin with the prefix."""
    return Journal(config.get_settings()[f"{prefix}path"])
