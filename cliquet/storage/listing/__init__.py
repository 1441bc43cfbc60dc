"""Filters, sorting and pages of a list, evaluated in Python."""
