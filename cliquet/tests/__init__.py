"""The published address of the helpers for test suites of applications and plugins (P-31).

The helpers themselves are in :mod:`cliquet.testing`; the tests of the library are elsewhere.
"""
