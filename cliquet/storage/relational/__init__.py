"""The common part of the storages in PostgreSQL and SQLite."""
