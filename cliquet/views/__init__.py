"""Endpoints that every service has, and the views that render errors; found by scanning."""
