"""Load on a running service: ``make bench SERVER_URL=http://localhost:8888``."""
