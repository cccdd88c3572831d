"""What AWS's own SDK sends and reads: botocore's service model of `bedrock-runtime`, its serializer and its parsers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.eventstream import EventStreamBuffer
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from inferpoint.model.http import Call, Reply


@cache
def _model() -> ServiceModel:
    return botocore.session.Session().get_service_model("bedrock-runtime")


def sent(operation: str, **parameters: Any) -> tuple[str, str, Any, dict[str, str]]:
    """Method, path, body as JSON and headers of a request; parameters that are not legal raise."""
    made = create_serializer("rest-json").serialize_to_request(parameters, _model().operation_model(operation))
    headers = {name.lower(): value for name, value in made["headers"].items()}
    return made["method"], made["url_path"], json.loads(made["body"]), headers


def ours(call: Call, origin: str) -> tuple[str, str, Any, dict[str, str]]:
    """The same of a call, without what signing added."""
    assert call.url.startswith(origin)
    headers = {name: call.headers[name] for name in call.headers.keys() - {"authorization", "x-amz-date"}}
    return call.method, call.url.removeprefix(origin), json.loads(call.body), headers


def legal(call: Call, origin: str, model: str, operation: str = "Converse") -> dict[str, Any]:
    """The body of *call*, when the SDK makes the same call of the same parameters."""
    parameters = json.loads(call.body, object_hook=_in_bytes)
    assert ours(call, origin) == sent(operation, modelId=model, **parameters)
    return json.loads(call.body)


def _in_bytes(members: dict[str, Any]) -> dict[str, Any]:
    """The SDK takes bytes and writes base64."""
    blobs = {name: base64.b64decode(members[name]) for name in ("bytes", "redactedContent") if name in members}
    return members | blobs


def read(operation: str, reply: Reply) -> Mapping[str, Any]:
    """What the SDK makes of a reply; one that is not legal raises."""
    response = {"status_code": reply.status, "headers": _Headers(reply.headers), "body": reply.body}
    return create_parser("rest-json").parse(response, _model().operation_model(operation).output_shape)


def read_stream(body: bytes) -> list[Mapping[str, Any]]:
    """What the SDK makes of a ConverseStream."""
    shape = _model().operation_model("ConverseStream").output_shape.members["stream"]
    parser = create_parser("rest-json")._event_stream_parser
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [parser.parse(message.to_response_dict(), shape) for message in buffer]


@cache
def addresses() -> dict[str, str]:
    """Where Bedrock's runtime is in every region that the SDK knows."""
    loader = botocore.session.Session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    provider = EndpointProvider(loader.load_service_model("bedrock-runtime", "endpoint-rule-set-1"), partitions)
    regions = [region for each in partitions["partitions"] for region in each["regions"] if "global" not in region]
    return {
        region: provider.resolve_endpoint(Region=region, UseDualStack=False, UseFIPS=False).url for region in regions
    }


class _Headers(dict[str, str]):
    """Names in any case, as the SDK's HTTP client has them."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in given.items()})

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)
