"""Timings: never in the tests, always as ratios of one run."""
