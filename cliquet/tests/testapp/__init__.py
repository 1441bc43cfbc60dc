"""The sample application of :mod:`cliquet.testing.testapp`, under the name that is published."""

from cliquet.testing.testapp import main

__all__ = ["main"]
