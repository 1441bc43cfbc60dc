"""Collections of PostgreSQL that are spread over several counters (E-23)."""
