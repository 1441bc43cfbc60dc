"""An example of a script outside of any request: it loads mushrooms from lines of JSON."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable
from typing import Any

from mushrooms import MushroomSchema
from pyramid.paster import bootstrap

from cliquet import resource

AT_ONCE = 500


def load(registry: Any, user_id: str, lines: Iterable[str]) -> int:
    """Create a record for each line, some hundreds in a transaction; return their number."""
    model = resource.Model(
        registry.storage,
        id_generator=registry.id_generator,
        collection_id="mushroom",
        parent_id=user_id,
    )
    schema = MushroomSchema()
    records = (schema.deserialize(json.loads(line)) for line in lines)
    number = 0
    while part := list(itertools.islice(records, AT_ONCE)):
        model.atomic(lambda part=part: model.create_records(part))  # type: ignore[misc]
        number += len(part)
    return number


def main() -> None:
    """Read lines from the standard input: ``load_mushrooms.py FILE.ini USER < FILE``."""
    ini, user_id = sys.argv[1:]
    with bootstrap(ini) as env:
        print(load(env["registry"], user_id, sys.stdin))


if __name__ == "__main__":
    main()
