"""Write the variants of a description that tools need, into a folder: ``variants.py URL FOLDER``.

``api.json`` is the description as it is. ``one-patch.json`` has no JSON patches: the client of
openapi-python-client tells bodies apart by their classes, and fails on arrays. ``strict.json`` has
no ``default``, so that a status which is not described fails the check.
"""

import json
import sys
import urllib.request
from pathlib import Path

url, folder = sys.argv[1], Path(sys.argv[2])
text = urllib.request.urlopen(f"{url}/__api__").read()
(folder / "api.json").write_bytes(text)

document = json.loads(text)
for item in document["paths"].values():
    if "patch" in item:
        del item["patch"]["requestBody"]["content"]["application/json-patch+json"]
(folder / "one-patch.json").write_text(json.dumps(document))

document = json.loads(text)
document["paths"] = {
    path: item
    for path, item in document["paths"].items()
    if "__docs__" not in path and "__admin__" not in path
}
for item in document["paths"].values():
    for method, operation in item.items():
        if method != "parameters":
            del operation["responses"]["default"]
(folder / "strict.json").write_text(json.dumps(document))
