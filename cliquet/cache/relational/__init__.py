"""The common part of the caches in PostgreSQL and SQLite."""
