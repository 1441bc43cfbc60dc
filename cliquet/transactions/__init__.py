"""The transaction of a request: how it begins and ends, and how backends take part in it."""
