"""The pool of connections under its published address (B-11.3)."""

from cliquet.connections.postgresql.pool import QueuePoolWithMaxBacklog

__all__ = ["QueuePoolWithMaxBacklog"]
