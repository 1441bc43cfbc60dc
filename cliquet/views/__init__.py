"""Endpoints that every service has, and the views of errors; Pyramid finds them by scanning."""
