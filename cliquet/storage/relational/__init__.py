"""What the storages in PostgreSQL and SQLite share."""
