"""The transaction of a request: which one backends join, what their part in it is, and its ends."""
