"""Filters, sorting and pages of a listing, evaluated in Python."""
