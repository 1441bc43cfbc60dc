"""The client of Redis: configuration, pool, clusters, errors."""
