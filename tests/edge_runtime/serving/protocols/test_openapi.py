"""The OpenAPI document is that of the routes, and everything that it allows is answered as it says."""

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
    """Stands for the handlers, of which the routes need but the names."""

    def __getattr__(self, name: str) -> Any:
        return name


def test_the_document_has_the_routes() -> None:
    """Every method and path, and no other."""
    nothing: Any = _Anything()
    routes = make_app(nothing, nothing, nothing, nothing, nothing, nothing).routes
    served = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    told = {(method.upper(), path) for path, methods in document(8, with_token=False)["paths"].items() for method in methods}
    assert told == served


def test_what_it_refers_to_is_there() -> None:
    """Each schema is used, and each that is used is there."""
    found = document(8, with_token=False)
    used = set(re.findall(r"'#/components/schemas/(\w+)'", str(found)))
    assert used == set(found["components"]["schemas"])


def test_it_is_served(server: Running) -> None:
    """Without a token here, so it asks for none."""
    answer = ask(server, "GET", "/openapi.json")
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
    assert "security" not in answer.json
    assert document(8, with_token=True)["security"] == [{"token": []}]


def _try_all(server: Running, examples: int) -> None:
    """So many requests of each operation that has parameters or a body, made from the document: valid ones, and ones that break it."""
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


def test_requests_made_from_the_document_are_answered_as_it_says(server: Running) -> None:
    """A hundred and fifty."""
    _try_all(server, 150)


@pytest.mark.slow
def test_thousands_of_requests_made_from_the_document_are_answered_as_it_says(server: Running) -> None:
    """The same at length."""
    _try_all(server, 2_000)
