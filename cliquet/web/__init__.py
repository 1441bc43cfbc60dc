"""Requests and responses of any service: reading, validation, answers and transactions."""
