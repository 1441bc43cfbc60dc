"""Where test suites of applications and plug-ins import helpers from (P-31, P-35.16).

The helpers themselves are in :mod:`cliquet.testing`; the tests of the library are elsewhere.
"""
