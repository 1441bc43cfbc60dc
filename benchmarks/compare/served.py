"""A peer for gunicorn, ``served:app``, as the variables PEER, BACKEND and URL describe it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "peers")]

_module = importlib.import_module(f"{os.environ['PEER']}_service")
app = _module.application(os.environ["BACKEND"], os.environ.get("URL", ""))
