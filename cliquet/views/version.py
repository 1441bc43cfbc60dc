"""The endpoint that shows the version file of the deployment, which Dockerflow describes.

It is only scanned if the setting ``version_json_path`` is set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import settings
from cliquet.core import jsonio
from cliquet.monitoring import logs
from cliquet.views.errors import page_not_found
from cliquet.web.service import Service

__all__ = ["version"]

version = Service(name="version", path="/__version__", description="Deployed version")


@version.get(permission=NO_PERMISSION_REQUIRED)
def get_version(request: Request) -> Any:
    """Answer with the content of the file, or 404 without a file.

    The file is read at each request, because it may be written after the start, and requests are
    rare. Its errors are for the deployer, and therefore logged.
    """
    path = settings.read(request.registry.settings, "version_json_path")
    try:
        return jsonio.loads(Path(path).read_bytes())
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        logs.logger.error("Unable to read the version", file=path, error=error)
    raise page_not_found(request)
