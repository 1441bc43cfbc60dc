"""An example of a script that writes all that a service has stored, as lines of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from pyramid.paster import bootstrap


def export(registry: Any) -> Iterator[dict[str, Any]]:
    """Yield each record, and then each permission and each membership of a group."""
    for collection in registry.storage.export():
        for entry in collection.entries:
            if entry.data is not None:  # No tombstone.
                yield {
                    "parent": collection.parent_id,
                    "collection": collection.collection_id,
                    "record": {
                        **entry.data,
                        "id": entry.id,
                        "last_modified": entry.last_modified,
                    },
                }
    for grant in registry.permission.export():
        yield {type(grant).__name__: grant._asdict()}


def main() -> None:
    """Write the lines to the standard output: ``export_records.py FILE.ini > records.jsonl``."""
    with bootstrap(sys.argv[1]) as env:
        for line in export(env["registry"]):
            print(json.dumps(line))


if __name__ == "__main__":
    main()
