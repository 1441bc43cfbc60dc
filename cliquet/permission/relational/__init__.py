"""The common part of the permission backends in PostgreSQL and SQLite."""
