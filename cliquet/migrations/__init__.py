"""Schemas of databases, which have a version, and the migrations between versions."""
