"""Where the records of a test are, as the keywords of each call of a storage."""

from typing import TypedDict


class Place(TypedDict):
    """A collection of a parent."""

    collection_id: str
    parent_id: str
