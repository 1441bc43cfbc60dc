"""What ``cliquet start --reload`` runs in the process that is started again when a file changes.

The package ``hupper`` starts that process, and watches the files of its modules. Where the process
ends by itself, it begins to wait for a change, and forgets one that came in this moment; nor does
it know of a file that could not be compiled. So a process that fails to start does not end: it
names the files, and waits for the change itself.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator

import hupper
from hupper.reloader import wait_main

from cliquet.scripts import cliquet

__all__ = ["main"]


def main() -> None:
    """Run the program, and wait for a change if it fails.

    Raises
    ------
    SystemExit : the program was told to end, or was interrupted.
    """
    try:
        cliquet.main()
    except SystemExit as end:
        if end.code in (None, 0, cliquet.INTERRUPTED):
            raise
        # The command has told the error, of which this is the end.
        failure: BaseException = end
    except Exception as error:
        # Whatever the code of the application raises, its author is about to mend it.
        traceback.print_exc()
        failure = error
    else:
        return
    hupper.get_reloader().watch_files(sorted({*_files_of(failure)}))
    wait_main()


def _files_of(error: BaseException) -> Iterator[str]:
    """Yield the files of the code that led to an error, and to the errors before it."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        pending += (one.__cause__, one.__context__)
        names = [frame.filename for frame in traceback.extract_tb(one.__traceback__)]
        if isinstance(one, SyntaxError) and one.filename:
            names.append(one.filename)
        yield from (os.path.abspath(name) for name in names if os.path.isfile(name))
