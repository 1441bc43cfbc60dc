"""Clocks that stand still."""

NOW_MS = 1_430_222_877_724
"""When tests that stop the clock begin: Tue, 28 Apr 2015 12:07:57 GMT."""


class Clock:
    """Stands still until a test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
