"""Requests and responses of any service: how they are read, validated, answered and committed."""
