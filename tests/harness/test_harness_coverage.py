"""What is left out of the coverage has a reason."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "cliquet"
PRAGMA = re.compile(r"# pragma: no (cover|branch)(?! - \S)")


def test_each_line_that_is_left_out_says_why() -> None:
    without_reason = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if PRAGMA.search(line)
    ]

    assert without_reason == []
