"""The means to watch a running service: logs, metrics, traces, crashes and profiles."""
