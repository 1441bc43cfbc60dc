"""Schemas of databases, with a version, and the migrations between versions."""
