"""What the permission backends in PostgreSQL and SQLite share."""
