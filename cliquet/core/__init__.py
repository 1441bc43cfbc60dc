"""Plain values: JSON, literals, names and patterns. Knows nothing of the rest of the package."""
