"""What the caches in PostgreSQL and SQLite share."""
