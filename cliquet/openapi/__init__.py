"""The description of a running service in the form of OpenAPI 3.1.

``document`` puts it together; the other modules describe one kind of its parts each.
"""

from cliquet.openapi.document import VERSIONS, as_document

__all__ = ["VERSIONS", "as_document"]
