"""The providers' own OpenAPI documents judge what we send, and describe what we must be able to read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from played import answered, endpoint

from inferpoint import services
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Event, Reply
from inferpoint.model.requests import Documents, InferenceRequest
from inferpoint.model.results import Completion, Embeddings, Ranking, SparseEmbeddings
from inferpoint.model.settings import Setting, declared, read
from inferpoint.testing.conversations import RecordedTask

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("INFERPOINT_SHARED", HERE.parents[2] / "shared"))
DOCUMENTS = SHARED / "openapi"
pytestmark = pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the providers' documents live beside the project")

FILES = {
    (name, kind): json.loads(path.read_text("utf-8"))
    for name in services.names()
    for kind in services.find(name).tasks
    if (path := RecordedTask(services.find(name), kind, HERE / name).path).exists()
}
JUDGED = [pair for pair, found in FILES.items() if "request_schema" in found]


@cache
def document(name: str) -> Any:
    return json.loads((DOCUMENTS / name).read_text("utf-8"))


@cache
def validator(named: str) -> Draft202012Validator:
    file, _, name = named.partition("#")
    components = {"components": document(file)["components"]}
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **components})


def judged(named: str, value: Any, *, nulls: bool = False) -> None:
    """Valid; with *nulls* but for members that are null, which our copy of the document has forgotten to allow."""
    errors = validator(named).iter_errors(value)
    problems = [f"{error.json_path}: {error.message}" for error in errors if not (nulls and error.instance is None)]
    assert problems == []


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
KEY = st.text("abcXYZ019-_", min_size=1, max_size=20)
# Every map is of headers. Neither a key nor a header's value is a mask.
HEADER = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="*•●∙·….$"), min_size=1, max_size=20)


def values(each: Setting) -> st.SearchStrategy[Any]:
    """Right values of a setting."""
    if each.secret:
        return KEY
    if each.url:
        return st.sampled_from(["https://a.test/b", "http://localhost:1/%3A?x=y"])
    if each.choices:
        return st.sampled_from(each.choices)
    low, high = each.at_least, each.at_most
    by_kind: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: st.integers(int(low or 1), int(high or 5000)),
        float: st.floats(low or 0, high or 2),
        bool: st.booleans(),
        dict: st.dictionaries(st.text("abcXYZ-", min_size=1), HEADER, min_size=1, max_size=3),
        list: st.lists(TEXT, min_size=1, max_size=3),
    }
    if each.nested:
        return records(each.kind)
    return by_kind[each.kind]


def records(cls: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Right settings of a class, with any of the optional ones."""
    required = {each.name: values(each) for each in declared(cls) if each.required}
    optional = {each.name: values(each) for each in declared(cls) if not each.required}
    return st.fixed_dictionaries(required, optional=optional)


@pytest.mark.parametrize(("name", "kind"), JUDGED)
@given(data=st.data())
def test_every_body_that_we_send_is_one_that_the_provider_describes(
    name: str, kind: TaskType, data: st.DataObject
) -> None:
    """For any inputs, settings and options the encoded body is valid by the provider's own document."""
    task = services.find(name).tasks[kind]
    problems: list[str] = []
    settings = read(task.settings, data.draw(records(task.settings)), scope="s", problems=problems)
    options = read(task.options, data.draw(records(task.options)), scope="s", problems=problems)
    assert problems == []
    most = 1 if kind.generates else 5
    texts = data.draw(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=most))
    asked = Documents(texts[0], tuple(texts)) if kind is TaskType.RERANK else tuple(texts)
    request = InferenceRequest(asked, stream=task.reader is not None and data.draw(st.booleans()))
    call = task.encode(request, settings, options, "https://a.test/v1")
    judged(FILES[name, kind]["request_schema"], json.loads(call.body))


@pytest.mark.parametrize(("name", "kind"), JUDGED)
def test_the_conversations_are_as_documented(name: str, kind: TaskType) -> None:
    """Recorded calls, replies and streams are valid by the provider's document, where they claim to be."""
    found = FILES[name, kind]
    for each in found["conversations"]:
        judged(found["request_schema"], each["call"]["body"])
        reply = each["reply"]
        if "body" in reply and reply.get("documented", True):
            if "AAAAQAAAgL4=" not in json.dumps(reply["body"]):  # the document forgets what base64 answers
                judged(found["reply_schema"], reply["body"])
        elif "file" in reply and "transformers" not in each["origin"]:
            for line in (HERE / name / reply["file"]).read_text("utf-8").split("\n"):
                if line.startswith("data: {"):
                    judged(found["chunk_schema"], json.loads(line.removeprefix("data: ")), nulls=True)


def instances(schema: Mapping[str, Any], root: Any, depth: int = 0) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911
    """Values that a schema describes: the subset of JSON Schema that the reply schemas are written in."""
    if "$ref" in schema:
        return st.deferred(lambda: instances(resolved(schema["$ref"], root), root, depth + 1))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return st.one_of([instances(each, root, depth + 1) for each in schema[name]])
    if "allOf" in schema:
        merged: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        for each in schema["allOf"]:
            part = resolved(each["$ref"], root) if "$ref" in each else each
            merged["properties"].update(part.get("properties", {}))
            merged["required"] += part.get("required", [])
        return instances(merged, root, depth)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        return st.one_of([instances({**schema, "type": each}, root, depth) for each in kind])
    if kind == "object":
        parts = {name: instances(part, root, depth + 1) for name, part in schema.get("properties", {}).items()}
        required = {name for name in schema.get("required", ()) if name in parts}
        return st.fixed_dictionaries(
            {name: part for name, part in parts.items() if name in required},
            optional={name: part for name, part in parts.items() if name not in required} if depth < 6 else {},
        )
    if kind == "array":
        return st.lists(instances(schema.get("items", {}), root, depth + 1), min_size=1, max_size=3)
    return {
        "string": st.text(max_size=8),
        "integer": st.integers(0, 10**6),
        "number": st.floats(-1, 1),
        "boolean": st.booleans(),
        "null": st.none(),
    }.get(kind or "null", st.none())


def resolved(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def described(named: str) -> st.SearchStrategy[Any]:
    file, _, name = named.partition("#")
    root = document(file)
    return instances(root["components"]["schemas"][name], root)


@pytest.mark.parametrize(("name", "kind"), JUDGED)
@given(data=st.data())
def test_every_reply_that_the_provider_describes_is_read(name: str, kind: TaskType, data: st.DataObject) -> None:
    """Any reply of the documented shape is an answer, with a vector or a choice for each that is in it."""
    found = FILES[name, kind]
    reply = data.draw(described(found["reply_schema"]))
    judged(found["reply_schema"], reply)
    count = _made_sensible(reply)
    task = services.find(name).tasks[kind]
    settings = read(task.settings, found["conversations"][0]["settings"], scope="s", problems=[])
    options = read(task.options, {}, scope="s", problems=[])
    asked = Documents("q", ("x",) * count) if kind is TaskType.RERANK else ("x",)
    answer = task.decode(Reply(200, json.dumps(reply).encode()), InferenceRequest(asked), settings, options)
    match answer:
        case Embeddings(rows) | Completion(rows) | SparseEmbeddings(rows) | Ranking(rows):
            assert len(rows) == count
        case _:
            pytest.fail("a result that this test cannot read yet")


def _made_sensible(reply: Any) -> int:
    """What a schema cannot say: rows are numbered, and a message says something."""
    if isinstance(reply, list):
        for index, row in enumerate(reply):
            if isinstance(row, dict):
                row["index"] = index
        return len(reply)
    for index, row in enumerate(reply.get("data", ())):
        row["index"] = index
    for choice in reply.get("choices", ()):
        if choice["message"].get("content") is None and choice["message"].get("refusal") is None:
            choice["message"]["content"] = "x"
    return len(reply.get("data") or reply.get("choices"))


@pytest.mark.parametrize(("name", "kind"), [pair for pair in JUDGED if "chunk_schema" in FILES[pair]])
@given(data=st.data())
def test_every_chunk_that_the_provider_describes_is_read(name: str, kind: TaskType, data: st.DataObject) -> None:
    """Any chunk of the documented shape is read, whatever has come before it."""
    found = FILES[name, kind]
    task = services.find(name).tasks[kind]
    assert task.reader is not None
    reader = task.reader(read(task.settings, found["conversations"][0]["settings"], scope="s", problems=[]))
    for chunk in data.draw(st.lists(described(found["chunk_schema"]), max_size=3)):
        judged(found["chunk_schema"], chunk)
        reader.feed(Event(json.dumps(chunk).encode()))


def test_the_example_of_a_document_is_read() -> None:
    """Text Embeddings Inference's own example is an answer."""
    example = document("tei.json")["components"]["schemas"]["EmbedResponse"]["example"]
    resolved = endpoint(TaskType.TEXT_EMBEDDING, "hugging_face", {"api_key": "k", "url": "https://a.test"})
    answer = answered(resolved, Reply(200, json.dumps(example).encode()), "x")
    assert isinstance(answer, Embeddings)
    assert [bytes(vector) for vector in answer.vectors] == [json.dumps(example[0]).encode()]
