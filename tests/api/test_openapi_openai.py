"""The bodies that OpenAI's own document describes are ones by ours, but for what is refused by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from described import document, problems
from openai_judge import DOCUMENT

SHARED = Path(os.environ.get("INFERPOINT_SHARED", Path(__file__).parents[3] / "shared")) / "openapi/openai.json"
MESSAGES = [{"role": "user", "content": "x"}]
# Our schema, the schemas of theirs that its members are of, a body, and the members of theirs that are refused here,
# some of them only with values that ask for what runs at OpenAI alone.
BODIES: Mapping[str, tuple[list[str], dict[str, Any], set[str]]] = {
    "EmbeddingsRequest": (["CreateEmbeddingRequest"], {"model": "m", "input": "x"}, set()),
    "ChatCompletionRequest": (
        ["CreateChatCompletionRequest"],
        {"model": "m", "messages": MESSAGES},
        {"functions", "function_call", "logprobs", "top_logprobs", "audio", "modalities", "prediction"},
    ),
    "ResponseRequest": (
        ["ResponseProperties", "ModelResponseProperties"],
        {"model": "m", "input": "x"},
        {"background", "prompt", "top_logprobs", "tools", "tool_choice"},
    ),
}
# Values that are refused here, of members that are taken: images and tools of OpenAI's own, and more than one answer.
UNTAKEN: Mapping[str, list[str]] = {
    "messages": ["function", "input_audio", "file_id", "custom"],
    "tools": ["custom"],
    "tool_choice": ["allowed_tools", "custom"],
}


@cache
def theirs(schema: str) -> Any:
    """The document of OpenAI's that has *schema*."""
    own = json.loads(DOCUMENT.read_text("utf-8"))
    if schema in own["components"]["schemas"]:
        return own
    if not SHARED.is_file():
        pytest.skip("the providers' documents live beside the project")
    return json.loads(SHARED.read_text("utf-8"))


def members(schema: Any, whole: Any) -> dict[str, Any]:
    """The members of an object, of whatever parts its schema is made."""
    if "$ref" in schema:
        return members(whole["components"]["schemas"][schema["$ref"].split("/")[-1]], whole)
    own: dict[str, Any] = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        own |= members(part, whole)
    return own


def samples(schema: Any, whole: Any, depth: int = 0) -> Iterator[Any]:
    """Values of a schema: of each form that it may have, one."""
    if depth > 12:
        return
    if "$ref" in schema:
        yield from samples(whole["components"]["schemas"][schema["$ref"].split("/")[-1]], whole, depth + 1)
        return
    if "const" in schema or "enum" in schema:
        yield from schema.get("enum", [schema.get("const")])
        return
    for name in ("anyOf", "oneOf"):
        if name in schema:
            for form in schema[name]:
                yield from samples(form, whole, depth + 1)
            return
    kind = schema.get("type", "object" if members(schema, whole) else "string")
    for one in kind if isinstance(kind, list) else [kind]:
        match one:
            case "object":
                own = members(schema, whole)
                required = set(schema.get("required", ())).union(
                    *(part.get("required", ()) for part in schema.get("allOf", ()))
                )
                yield {name: next(samples(own[name], whole, depth + 1)) for name in required if name in own}
            case "array":
                yield from ([item] for item in samples(schema.get("items", {}), whole, depth + 1))
            case _:
                simple = {"string": "x", "integer": schema.get("minimum", 1), "number": 0.5, "boolean": True}
                yield simple.get(one)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_theirs_is_a_body_of_ours(name: str) -> None:
    """Every member of their request with every form of its value is taken by our schema, or refused by its name."""
    schemas, body, refused = BODIES[name]
    own = document()["components"]["schemas"][name]
    seen: set[str] = set()
    for schema in schemas:
        whole = theirs(schema)
        for member, form in members({"$ref": f"#/components/schemas/{schema}"}, whole).items():
            seen.add(member)
            if member in refused:
                continue
            for value in samples(form, whole):
                if any(word in json.dumps(value) for word in UNTAKEN.get(member, ())):
                    continue
                assert problems(own, {**body, member: value}) == [], (member, value)
    assert refused <= seen
