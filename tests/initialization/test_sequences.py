"""A service whose ``initialization_sequence`` lacks steps: their features are absent, no more."""

from pathlib import Path
from typing import Any

import colander
import pytest
from webtest import TestApp

from cliquet import DEFAULT_SETTINGS, resource
from cliquet.storage.exceptions import BackendError
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth, make_app

SEQUENCE = DEFAULT_SETTINGS["initialization_sequence"]
SEQUENCES = {
    **{f"only {step.rpartition('.')[2]}": (step,) for step in SEQUENCE},
    **{
        f"no {step.rpartition('.')[2]}": tuple(one for one in SEQUENCE if one != step)
        for step in SEQUENCE
    },
    "none": (),
}
HEADERS = basic_auth()
JSON_PATCH = {**HEADERS, "Content-Type": "application/json-patch+json"}


class Mushroom(resource.UserResource):
    class MushroomSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    mapping = MushroomSchema()


class Toadstool(resource.ShareableResource):
    mapping = Mushroom.mapping


def sqlite_settings(tmp_path: Any) -> dict[Any, Any]:
    return {
        f"{kind}_{option}": value
        for kind in ("storage", "permission", "cache")
        for option, value in (
            ("backend", f"cliquet.{kind}.sqlite"),
            ("url", f"sqlite:///{tmp_path}/data.db"),
        )
    }


# On a database too where the requests have no user.
CASES = [
    *((name, "memory") for name in SEQUENCES),
    ("only setup_storage", "sqlite"),
    ("no setup_authentication", "sqlite"),
]


@pytest.fixture(params=CASES, ids=" on ".join)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> TestApp:
    """A service with the resources that the steps of a sequence allow."""
    name, backends = request.param
    settings = MEMORY_BACKENDS if backends == "memory" else sqlite_settings(tmp_path)
    steps = " ".join(SEQUENCES[name])
    resources = []
    if "setup_storage" in steps:
        resources.append(Mushroom)
        if "setup_permission" in steps:
            resources.append(Toadstool)  # type: ignore[arg-type]
    app = make_app(
        resources,
        settings={
            **settings,
            "initialization_sequence": steps,
            "toadstool_create_principals": "system.Everyone",
            "toadstool_write_principals": "system.Everyone",
        },
    )
    for kind in ("storage", "permission", "cache"):
        if hasattr(app.app.registry, kind):
            getattr(app.app.registry, kind).initialize_schema()
    app.paths = [f"/{one.__name__.lower()}s" for one in resources]
    return app


@pytest.mark.slow
@pytest.mark.clause("S-5.1", "P-3.5", "H-25.12")
def test_nothing_outside_a_step_needs_what_the_step_sets(app: TestApp) -> None:
    assert app.get("/v0/", headers=HEADERS).json["project_name"] == "testapp"
    assert app.get("/v0/__lbheartbeat__").json == {}
    app.get("/v0/__heartbeat__", status=200)
    assert app.get("/v0/nothing", status=404).json["errno"] == 111
    assert app.get("/v9/nothing", status=404).json["errno"] == 116
    app.put("/v0/batch", status=405)
    assert app.get("/v0/%ff", status=400).json["errno"] == 107

    for path in app.paths:
        try_records(app, f"/v0{path}")
    answers = try_batch(app)

    assert [answer["status"] for answer in answers[:2]] == [200, 404]
    assert {answer["status"] for answer in answers[2:]} <= {200, 201}


def try_records(app: TestApp, path: str) -> None:
    """Create, read, change and delete records, and make mistakes."""
    created = app.post_json(path, {"data": {"name": "cep"}}, headers=HEADERS, status=201)
    url = f"{path}/{created.json['data']['id']}"
    assert app.get(path, headers=HEADERS).json["data"] == [created.json["data"]]
    etag = app.get(url, headers=HEADERS).headers["ETag"]
    app.get(url, headers={**HEADERS, "If-None-Match": etag}, status=304)
    app.put_json(url, {"data": {"name": "morel"}}, headers=HEADERS, status=200)
    app.put_json(url, {"data": {}}, headers={**HEADERS, "If-Match": etag}, status=400)
    app.delete(url, headers={**HEADERS, "If-Match": etag}, status=412)
    app.patch_json(url, {"data": {"name": "chanterelle"}}, headers=HEADERS, status=200)
    operation = {"op": "replace", "path": "/data/name", "value": "truffle"}
    app.patch_json(url, [operation], headers=JSON_PATCH, status=200)
    app.delete(url, headers=HEADERS, status=200)
    assert app.get(url, headers=HEADERS, status=404).json["errno"] == 111
    assert app.delete(path, headers=HEADERS).json["data"] == []


def try_batch(app: TestApp) -> Any:
    requests = [{"path": "/v0/"}, {"path": "/nothing"}]
    requests += [
        {"method": method, "path": path, "body": {"data": {"name": "cep"}}}  # type: ignore[dict-item]
        for path in app.paths
        for method in ("POST", "DELETE")
    ]
    body = {"defaults": {"headers": HEADERS}, "requests": requests}
    return app.post_json("/v0/batch", body).json["responses"]


@pytest.mark.slow
@pytest.mark.clause("S-5.1", "H-26.11")
@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize(("error", "status"), [(ValueError("odd"), 500), (BackendError(), 503)])
def test_failures_are_answered_without_the_steps(sequence: str, error: Any, status: int) -> None:
    def configure(config: Any) -> None:
        def fail(request: Any) -> None:
            raise error

        config.add_route("fail", "/fail")
        config.add_view(fail, route_name="fail", permission="__no_permission_required__")

    settings = {"initialization_sequence": " ".join(SEQUENCES[sequence])}
    app = make_app(settings=settings, configure=configure)

    assert app.get("/v0/fail", status=status).json["code"] == status
    body = {"requests": [{"path": "/fail"}]}
    assert app.post_json("/v0/batch", body, status=status).json["code"] == status
