"""The library beside its peers, and beside the limit of what its stack can do."""
