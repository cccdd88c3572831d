"""Where a service is: at its own address, or where its variable says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import World, like_openai

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.service import Origin

ORIGIN: Origin[str] = Origin(lambda region: f"https://{region}.acme.example", "ACME_BASE_URL")


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, "https://eu.acme.example"),
        ({"ACME_BASE_URL": ""}, "https://eu.acme.example"),
        ({"OTHER_BASE_URL": "http://localhost:1"}, "https://eu.acme.example"),
        ({"ACME_BASE_URL": "http://localhost:1"}, "http://localhost:1"),
        ({"ACME_BASE_URL": "https://gate.test/v1//"}, "https://gate.test/v1"),
    ],
)
def test_a_variable_moves_a_service(environ: dict[str, str], address: str) -> None:
    """The service's own variable goes before its address, without the slashes at its end."""
    assert ORIGIN.of("eu", environ) == address


@pytest.mark.parametrize("address", ["localhost:1", "ftp://a.test", "//a.test", "https:/a.test"])
def test_a_variable_that_is_no_address_is_refused(address: str) -> None:
    """A variable that cannot be called is an error that names it."""
    with pytest.raises(InferenceError, match="The variable ACME_BASE_URL is not an address") as caught:
        ORIGIN.of("eu", {"ACME_BASE_URL": address})
    assert caught.value.kind is Kind.INTERNAL


def test_calls_go_where_the_variable_says(make_world: Callable[..., World]) -> None:
    """Endpoints of a moved service call the address of its variable."""
    world = make_world(like_openai, environ={"OPENAI_BASE_URL": "http://localhost:1/v1/"})
    settings = {"api_key": "k", "model_id": "m"}
    world.create("e", TaskType.TEXT_EMBEDDING, {"service": "openai", "service_settings": settings})
    assert {call.url for call in world.provider.calls} == {"http://localhost:1/v1/embeddings"}
