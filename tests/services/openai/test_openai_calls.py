"""How much one call to OpenAI holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from in_process import post
from world import EMBEDDING, World, body, openai


@pytest.mark.parametrize(("inputs", "tokens", "calls"), [(28, 10_000, 1), (31, 10_000, 2), (2048, 1, 1), (2049, 1, 2)])
def test_a_call_holds_no_more_than_openai_takes(
    make_world: Callable[..., World], inputs: int, tokens: int, calls: int
) -> None:
    """At most 2048 inputs and 300,000 tokens over all of them (platform.openai.com/docs/api-reference/embeddings)."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai())
    arrays = [[number, *[1] * (tokens - 1)] for number in range(inputs)]
    assert len(post(world, "/v1/embeddings", {"model": "e", "input": arrays}).json["data"]) == inputs
    sent = [body(call)["input"] for call in world.provider.calls]
    assert len(sent) == calls
    assert all(len(each) <= 2048 and sum(map(len, each)) <= 300_000 for each in sent)
