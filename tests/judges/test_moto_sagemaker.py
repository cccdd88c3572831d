"""moto's SageMaker runtime: it takes our signatures, knows our addresses, and answers what it was told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from raw_http import Answered, ask
from real_processes import Inferpoint
from stand_ins import StandIn

SETTINGS = {"region": "us-east-1", "endpoint_name": "my-endpoint"}
VECTORS = '{"data": [{"index": 0, "embedding": [0.5, 1]}]}'
BEHIND = '{"text_embedding": [{"embedding": [0.5, 1]}]}'


@pytest.fixture(scope="module")
def server(moto: StandIn, moved: Callable[..., Inferpoint]) -> Inferpoint:
    """A server whose SageMaker is moto."""
    return moved(AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=moto.url)


def made(server: Inferpoint, name: str, settings: Mapping[str, Any], *, tried: bool = True) -> Answered:
    config = {"service": "sagemaker", "service_settings": {**SETTINGS, **settings}}
    query = "" if tried else "?skip_validation=true"
    return ask(server.url, "PUT", f"/_inference/text_embedding/{name}{query}", config)


@pytest.mark.parametrize(
    ("api", "answer", "more"), [("openai", VECTORS, {}), ("elastic", BEHIND, {"element_type": "float"})]
)
def test_an_endpoint_is_tried_and_asked(
    moto: StandIn, keys: dict[str, str], server: Inferpoint, api: str, answer: str, more: Mapping[str, Any]
) -> None:
    """In both forms; moto answers again what it answered to the same headers and body, so each form has its own."""
    results = [{"Body": answer, "ContentType": "application/json"}] * 2
    told = {"account_id": "123456789012", "region": "us-east-1", "results": results}
    assert ask(moto.url, "POST", "/moto-api/static/sagemaker/endpoint-results", told).status == 201
    answered = made(server, f"moto-{api}", {**keys, "api": api, "inference_component_name": api, **more})
    assert answered.status == 200, answered.body
    assert answered.json["service"] == "amazon_sagemaker"
    assert answered.json["service_settings"]["dimensions"] == 2
    assert ask(server.url, "POST", f"/_inference/moto-{api}", {"input": "x"}).json == {
        "text_embedding": [{"embedding": [0.5, 1]}]
    }


def test_a_wrong_key_is_refused(keys: dict[str, str], server: Inferpoint) -> None:
    """So that it means something that ours is taken."""
    wrong = {**keys, "secret_key": keys["secret_key"] + "x", "api": "openai"}
    assert made(server, "moto-wrong", wrong, tried=False).status == 200
    answered = ask(server.url, "POST", "/_inference/moto-wrong", {"input": "x"})
    assert answered.status == 403
    assert "for request from inference entity id [moto-wrong] status [403]" in answered.reason
