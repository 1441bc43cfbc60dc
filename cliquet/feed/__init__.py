"""The live feed: clients are told of changes when they happen (E-14)."""
