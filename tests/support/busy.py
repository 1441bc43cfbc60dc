"""What a busy machine does to times that tests measure."""

BUSY_SECONDS = 20
"""What it may add to any of them.

A test that shows a bound of some seconds sees to it that what exceeds the bound takes longer than
the bound and this, or for ever.
"""
