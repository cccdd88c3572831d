"""moto computes every signature anew, and takes ours."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from played import endpoint
from raw_http import Answered
from real_processes import Inferpoint
from stand_ins import StandIn

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import InferenceRequest
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.protocols.service import Moment

ARNS = [
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-x",
    "arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-english-v3",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3d4e5f6",
    "arn:aws-cn:sagemaker:cn-north-1:123456789012:endpoint/e",
]
MODELS = [
    "cohere.embed-english-v3",
    "amazon.titan-embed-text-v2:0",
    "us.cohere.embed-v4:0",
    "a model~with_every-sort.of*character'(!)+=&;,@$",
    "模型",
    *ARNS,
]
REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2", "us-west-2"]  # its user is one of this partition


def calls(keys: dict[str, str], url: str, number: int) -> list[Call]:
    """Signed calls of the product's own encoder, each with another text, in turn to every model in every region."""
    made: list[Call] = []
    drawn = random.Random(4)
    for count in range(number):
        settings = {**keys, "region": REGIONS[count % 4], "provider": "cohere", "model": MODELS[count % len(MODELS)]}
        resolved = endpoint(TaskType.TEXT_EMBEDDING, "amazonbedrock", settings)
        text = "".join(
            chr(drawn.choice((drawn.randrange(32, 127), drawn.randrange(0x4E00, 0x9FFF)))) for _ in range(40)
        )
        call = resolved.task.encode(InferenceRequest((text,)), resolved.endpoint.settings, None, url)
        made.append(resolved.service.sign(call, resolved.endpoint.settings, Moment(datetime.now(UTC))))
    return made


def statuses(made: Sequence[Call]) -> list[int]:
    """What the real transport is answered."""

    async def send() -> list[int]:
        transport = HttpTransport("0")
        try:
            return [(await (await transport.send(call)).read()).status for call in made]
        finally:
            await transport.close()

    return asyncio.run(send())


def test_every_signature_is_taken(moto: StandIn, keys: dict[str, str]) -> None:
    """Base models, profiles, ARNs, characters that must be encoded twice; several regions."""
    assert statuses(calls(keys, moto.url, 108)) == [200] * 108


@pytest.mark.parametrize("wrong", ["secret_key", "access_key"])
def test_no_wrong_key_is_taken(moto: StandIn, keys: dict[str, str], wrong: str) -> None:
    """So that it means something that ours are."""
    other = {**keys, wrong: keys[wrong][:-1] + ("x" if keys[wrong][-1] != "x" else "y")}
    assert statuses(calls(other, moto.url, len(MODELS))) == [403] * len(MODELS)


def test_a_path_encoded_once_is_not_what_is_signed(moto: StandIn, keys: dict[str, str]) -> None:
    """A signature for one model is none for another."""
    (call,) = calls(keys, moto.url, 1)
    moved = Call(f"{moto.url}/model/{quote(ARNS[0], safe='')}/invoke", call.body, call.headers)
    assert statuses([call, moved]) == [200, 403]


@pytest.mark.parametrize("model", [ARNS[0], "cohere.embed-v4:0"])
def test_the_server_signs_what_it_sends(
    moto: StandIn,
    keys: dict[str, str],
    moved: Callable[..., Inferpoint],
    create: Callable[..., str],
    infer: Callable[..., Answered],
    model: str,
) -> None:
    """Moto answers `{}` to whoever it knows, which are no embeddings; and 403 to whoever it does not."""
    server = moved(AWS_ENDPOINT_URL_BEDROCK_RUNTIME=moto.url)
    settings = {**keys, "region": "us-east-1", "provider": "cohere", "model": model}
    known = infer(server, create(server, "text_embedding", "amazonbedrock", settings, validated=False), "x")
    assert known.status == 400
    assert "missing required field `embeddings`" in known.reason
    settings["secret_key"] += "x"
    wrong = infer(server, create(server, "text_embedding", "amazonbedrock", settings, validated=False), "x")
    assert wrong.status == 403
    assert "Received a permission denied error status code" in wrong.reason
