"""Schemas of other libraries than colander, as the ``mapping`` of a resource.

An adapter is a schema of ours whose fields are made from a JSON Schema, so that the rest of the
library asks it what it asks any schema. Only the validation is of the other library, which is
imported when an adapter is made.
"""
