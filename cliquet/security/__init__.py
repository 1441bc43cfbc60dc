"""Authentication and authorization: the user of a request, and the permissions of that user."""
