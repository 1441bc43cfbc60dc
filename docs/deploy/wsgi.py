"""The application for servers that import one: ``granian --interface wsgi wsgi:application``."""

import os

from pyramid.paster import get_app, setup_logging

from cliquet.feed import stopping

INI = os.environ.get("INI_FILE", "production.ini")

setup_logging(INI)
application = get_app(INI)
# Streams of the live feed end when this process is told to end.
stopping.listen()
