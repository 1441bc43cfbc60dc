"""Spans of OpenTelemetry, in processes of their own: its instrumentation changes Pyramid."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from servers.starting import run_program

TESTS = Path(__file__).parents[1]

UNKNOWN = "/v0/mushrooms/8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"

PROGRAM = """
import json, sys, types, warnings
from opentelemetry import trace
from opentelemetry.instrumentation.pyramid import PyramidInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
PyramidInstrumentor().instrument()

from testapp import RESOURCES
from support.shared_apps import make_app
from cliquet.testing.web import basic_auth

listener = types.ModuleType("journal")
listener.load_from_config = lambda config, prefix: lambda event: None
sys.modules["journal"] = listener
client = make_app(RESOURCES, settings={"event_listeners": "journal"})

def spans_of(method, path, **kwargs):
    exporter.clear()
    getattr(client, method)(path, headers=basic_auth(), **kwargs)
    finished = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in finished}
    return [
        {
            "name": span.name,
            "parent": span.parent and names[span.parent.span_id],
            "status": span.status.status_code.name,
            "exceptions": [event.attributes["exception.type"] for event in span.events],
        }
        for span in finished
    ]

def storage_outside():
    exporter.clear()
    client.app.registry.cache.get("key")
    return [span.name for span in exporter.get_finished_spans()]

parts = [{"path": "/mushrooms"}, {"path": "/mushrooms"}]
print(json.dumps({
    "write": spans_of("post_json", "/v0/mushrooms", params={"data": {"name": "cep"}}),
    "missing": spans_of("get", UNKNOWN, status=404),
    "batch": spans_of("post_json", "/v0/batch", params={"requests": parts}),
    "outside": storage_outside(),
}))
"""


def run(program: Any) -> Any:
    process = run_program(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout), process.stderr


@pytest.fixture(scope="module")
def traced(processes: None) -> Any:
    spans, errors = run(PROGRAM.replace("UNKNOWN", repr(UNKNOWN)))
    assert "opentelemetry" not in errors.lower()
    return spans


@pytest.mark.clause("E-6.3")
def test_backend_calls_and_listeners_are_children_of_the_span_of_the_request(
    traced: dict[str, Any],
) -> None:
    names = [span["name"] for span in traced["write"]]

    assert names[0] == "storage.create"
    assert names[-2:] == ["listeners.journal", "v0/mushrooms"]
    assert traced["write"][-1]["parent"] is None
    assert {span["parent"] for span in traced["write"][:-1]} == {"v0/mushrooms"}


@pytest.mark.clause("E-6.3")
def test_exceptions_are_recorded(traced: dict[str, Any]) -> None:
    call, request = traced["missing"]

    assert (call["name"], call["status"]) == ("storage.get", "ERROR")
    assert call["exceptions"] == ["cliquet.storage.exceptions.RecordNotFoundError"]
    assert request["exceptions"] == []


@pytest.mark.clause("E-6.3")
def test_parts_of_a_batch_are_traced_within_it(traced: dict[str, Any]) -> None:
    listing = [span for span in traced["batch"] if span["name"] == "storage.get_all"]

    assert [span["parent"] for span in listing] == ["v0/batch", "v0/batch"]


@pytest.mark.clause("E-6.3")
def test_calls_outside_of_a_request_make_no_span(traced: dict[str, Any]) -> None:
    assert traced["outside"] == []


WITHOUT = """
import json, sys
from testapp import RESOURCES
from cliquet.testing.web import basic_auth, make_app

client = make_app(RESOURCES, settings=SETTINGS)
client.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers=basic_auth())
optional = ("opentelemetry", "prometheus_client")
print(json.dumps([name for name in sys.modules if name.startswith(optional)]))
"""


@pytest.mark.clause("E-6.3")
@pytest.mark.usefixtures("processes")
def test_nothing_is_imported_unless_the_application_did() -> None:
    imported, _ = run(WITHOUT.replace("SETTINGS", "{}"))

    assert imported == []
