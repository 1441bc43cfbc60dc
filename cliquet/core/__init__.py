"""Plain values: JSON, literals, names and patterns. It knows nothing of the rest."""
