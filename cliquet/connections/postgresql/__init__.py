"""The client of PostgreSQL: configuration, pool, sessions, time limits."""
