"""What a program does with the client that openapi-python-client makes of the description."""

import sys

from mushrooms_client import AuthenticatedClient
from mushrooms_client import models as m
from mushrooms_client.api.mushroom import (
    mushroom_create,
    mushroom_delete,
    mushroom_get,
    mushroom_list,
    mushroom_update,
)
from mushrooms_client.api.service import batch

client = AuthenticatedClient(base_url=sys.argv[1], prefix="Basic", token="cHl0aG9uOjE=")  # python:1

body = m.MushroomCreation(data=m.MushroomInput(name="Morel", cap_mm=30))
created = mushroom_create.sync_detailed(client=client, body=body)
assert created.status_code == 201, created
record = created.parsed.data
assert (record.name, record.cap_mm) == ("Morel", 30)

read = mushroom_get.sync_detailed(record.id, client=client)
assert read.parsed.data.name == "Morel"
tag = read.headers["ETag"]

found = mushroom_list.sync(client=client, min_cap_mm=20, like_name="mor", in_id=[record.id])
assert [one.id for one in found.data] == [record.id]
assert mushroom_list.sync(client=client, max_cap_mm=20).data == []

changes = m.MushroomPatch(data=m.MushroomChanges(cap_mm=31))
updated = mushroom_update.sync_detailed(record.id, client=client, body=changes, if_match=tag)
assert updated.parsed.data.cap_mm == 31
late = mushroom_update.sync_detailed(record.id, client=client, body=changes, if_match=tag)
assert late.status_code == 412
assert late.parsed.errno == 114

requests = [
    {"method": "POST", "path": "/mushrooms", "body": {"data": {"name": "Cep"}}},
    {"method": "POST", "path": "/mushrooms", "body": {"data": {}}},
]
answered = batch.sync(client=client, body=m.Batch.from_dict({"requests": requests}))
assert [one.status for one in answered.responses] == [201, 400]

start = mushroom_list.sync_detailed(client=client, field_sync="")
assert len(start.parsed.data) == 2
deleted = mushroom_delete.sync(record.id, client=client)
assert deleted.data.deleted is True
since = mushroom_list.sync(client=client, field_sync=start.headers["Sync-Token"])
assert [type(one) for one in since.data] == [m.MushroomTombstone]
print("openapi-python-client: 9 steps passed")
