"""The OpenAPI document matches the routes, and requests generated from it are answered as it describes."""

import os
import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from edge_runtime.serving.app import make_app
from edge_runtime.serving.protocols.openapi import document
from tests.edge_runtime.serving.conftest import ask
from tools.studies.serving.load import Running

TRIED = (status_code_conformance, content_type_conformance, response_schema_conformance)


class _Anything:
    """A placeholder for handlers, of which the routes need the names only."""

    def __getattr__(self, name: str) -> Any:
        return name


def test_the_document_has_the_routes() -> None:
    """Exactly the methods and paths of the routes."""
    nothing: Any = _Anything()
    routes = make_app(nothing, nothing, nothing, nothing, nothing, nothing).routes
    served = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    told = {(method.upper(), path) for path, methods in document(8, with_token=False)["paths"].items() for method in methods}
    assert told == served


def test_what_it_refers_to_is_there() -> None:
    """All schemas are used, and all references resolve."""
    found = document(8, with_token=False)
    used = set(re.findall(r"'#/components/schemas/(\w+)'", str(found)))
    assert used == set(found["components"]["schemas"])


def test_it_is_served(server: Running) -> None:
    """Without security, since this server has no token."""
    answer = ask(server, "GET", "/openapi.json")
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
    assert "security" not in answer.json
    assert document(8, with_token=True)["security"] == [{"token": []}]


def _try_all(server: Running, examples: int) -> None:
    """Send valid and invalid requests, generated from the document, to every operation with parameters or a body."""
    schema = schemathesis.openapi.from_dict(document(1_024, with_token=False))
    schema.config.update(base_url=server.url)
    operations = [result.ok() for result in schema.get_all_operations()]

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        derandomize="CI" in os.environ,
        database=None,
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from(operations))
        mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        try:
            strategy = operation.as_strategy(generation_mode=mode)
            case = data.draw(strategy)
        except schemathesis.errors.SchemathesisError:
            return  # nothing of this operation can be wrong
        answer = case.call_and_validate(checks=TRIED)
        assert answer.status_code < 500 or answer.status_code == 503

    one()
    assert ask(server, "GET", "/v2/health/ready").status == 200


@pytest.mark.slow
def test_requests_made_from_the_document_are_answered_as_it_says(server: Running) -> None:
    """60 requests."""
    _try_all(server, 60)


@pytest.mark.sweep
def test_thousands_of_requests_made_from_the_document_are_answered_as_it_says(server: Running) -> None:
    """2,000 requests."""
    _try_all(server, 2_000)
