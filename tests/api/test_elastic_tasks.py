"""Rerank, sparse vectors and `embedding` at Elasticsearch's face, and what an inference cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import post
from world import (
    COMPLETION,
    EMBEDDING,
    World,
    body,
    hugging_face,
    json_reply,
    like_openai,
    like_text_embeddings_inference,
    openai,
)

from inferpoint.model.endpoint import TaskType

MakeWorld = Callable[..., World]
REQUEST = "action_request_validation_exception"
PARSER = "[cluster:internal/xpack/inference]"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with an endpoint for each of: rerank `r`, sparse vectors `s`, `embedding` `m`."""
    made = make_world(validate=False)
    made.create("r", TaskType.RERANK, hugging_face())
    made.create("s", TaskType.SPARSE_EMBEDDING, hugging_face())
    made.create("m", TaskType.EMBEDDING, openai())
    return made


def ranks(call: Any) -> Any:
    """Scores that rise with a document's place."""
    said = body(call)
    return json_reply(
        [{"index": n, "score": n / 2, **({"text": t} if said.get("return_text") else {})}
         for n, t in enumerate(said["texts"])],
        **{"x-compute-tokens": "11"},
    )  # fmt: skip


def test_documents_are_ranked(world: World) -> None:
    """Best first, cut to `top_n`, with texts where they are asked for; with the task in the path and without."""
    world.provider.answer = ranks
    asked = {"input": ["a", "b", "c"], "query": "q"}
    for path in ("/_inference/r", "/_inference/rerank/r"):
        told = post(world, path, asked)
        assert told.json == {"rerank": [{"index": n, "relevance_score": n / 2} for n in (2, 1, 0)]}
        assert told.headers["x-inferpoint-input-tokens"] == "11"
    assert body(world.provider.calls[-1]) == {"query": "q", "texts": ["a", "b", "c"]}
    told = post(world, "/_inference/r", {**asked, "top_n": 1, "return_documents": True})
    assert told.json == {"rerank": [{"index": 2, "relevance_score": 1.0, "text": "c"}]}
    told = post(world, "/_inference/r", {**asked, "task_settings": {"top_n": 2}})
    assert len(told.json["rerank"]) == 2
    told = post(world, "/_inference/r", {**asked, "top_n": 1, "task_settings": {"top_n": 2}})
    assert len(told.json["rerank"]) == 1


def test_documents_and_queries_may_be_objects(world: World) -> None:
    """An object of the type text is its value; one alone is a list of one."""
    world.provider.answer = ranks
    text = {"type": "text", "value": "a"}
    for said, wanted in (("a", ["a"]), (text, ["a"]), ([text, "b"], ["a", "b"])):
        assert post(world, "/_inference/r", {"input": said, "query": {**text, "format": "text"}}).status == 200
        assert body(world.provider.calls[-1]) == {"query": "a", "texts": wanted}


IMAGE = {"type": "image", "value": "data:image/png;base64,AAAA"}
WRONG: list[tuple[str, Any, str, str]] = [
    ("r", {}, REQUEST, "Validation Failed: 1: Field [input] cannot be null;2: Field [query] cannot be null;"),
    (
        "r", {"input": [], "query": "", "top_n": 0}, REQUEST,
        "Validation Failed: 1: Field [input] cannot be an empty array;2: Field [query] cannot be empty;"
        "3: Field [top_n] must be greater than or equal to 1;",
    ),
    (
        "r", {"input": ["a", IMAGE], "query": IMAGE}, REQUEST,
        "Validation Failed: 1: Field [input] contains unsupported [type] value image at index 1;"
        "2: Field [query] contains unsupported [type] value image;",
    ),
    (
        "r", {"input": ["a"], "query": "q", "input_type": "search"}, "x_content_parse_exception",
        f"[1:32] {PARSER} unknown field [input_type]",
    ),
    (
        "r", {"input": ["a"], "query": "q", "top_n": True}, "x_content_parse_exception",
        f"[1:32] {PARSER} top_n doesn't support values of type: VALUE_BOOLEAN",
    ),
    ("m", {}, REQUEST, "Validation Failed: 1: Field [inputs] cannot be null;"),
    ("m", {"input": []}, REQUEST, "Validation Failed: 1: Field [inputs] cannot be an empty array;"),
    (
        "m", {"input": {"content": IMAGE}}, "status_exception",
        "The openai service does not support embedding with non-text inputs",
    ),
    (
        "m", {"input": ["a", {"content": [{"type": "text", "value": "a"}] * 2}]}, "status_exception",
        "Field [content] must contain a single item for [openai] service."
        " [content] object with multiple items found at $.input.content[1]",
    ),
    (
        "m", {"input": {"content": {"type": "text", "format": "base64", "value": "a"}}}, "status_exception",
        "Data type [text] does not support data format [base64], supported formats are [text]",
    ),
    (
        "m", {"input": {"content": {"type": "image", "value": "AAAA"}}}, "status_exception",
        "base64 inputs must be specified as data URIs with the format [data:{MIME-type};base64,...]",
    ),
    (
        "m", {"input": "x", "input_type": "clustering"}, "validation_exception",
        "Validation Failed: 1: Invalid input_type [clustering]."
        " The input_type option is not supported by this service;",
    ),
    ("s", {"input": []}, REQUEST, "Validation Failed: 1: Field [input] cannot be an empty array;"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "said", "kind", "reason"), WRONG, ids=[str(case[:2])[:60] for case in WRONG])
def test_a_wrong_body_has_elasticsearchs_words(world: World, name: str, said: Any, kind: str, reason: str) -> None:
    """Every problem at once, where they are found together; nobody is called."""
    told = post(world, f"/_inference/{name}", said)
    found = told.json["error"]
    assert (told.status, found["type"], found["reason"]) == (400, kind, reason)
    assert world.provider.calls == []


def test_an_embedding_is_answered_under_its_own_name(world: World) -> None:
    """The task `embedding` takes texts and contents, and answers `embeddings`."""
    content = {"content": {"type": "text", "value": "abc"}}
    told = post(world, "/_inference/embedding/m", {"input": ["ab", content, {"content": [{**content["content"]}]}]})
    assert told.json == {"embeddings": [{"embedding": [2, 0, 1]}, {"embedding": [3, 0, 1]}, {"embedding": [3, 0, 1]}]}
    assert body(world.provider.calls[-1])["input"] == ["ab", "abc"]  # the same text is asked for once


def jina(settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An endpoint of a model that takes images."""
    return {"service": "jinaai", "service_settings": {"api_key": "k", "model_id": "jina-clip-v2", **(settings or {})}}


def test_images_are_embedded_beside_texts(world: World) -> None:
    """Each has its vector, in the order of the inputs; one is asked for once, and is no text that reads alike."""
    world.create("j", TaskType.EMBEDDING, jina({"max_input_tokens": 1}))
    world.provider.answer = lambda call: json_reply(
        {"data": [{"embedding": [len(*entry.values()), 0]} for entry in body(call)["input"]]}
    )
    image = {"content": {"type": "Image", "format": "BASE64", "value": PIXEL}}
    told = post(world, "/_inference/embedding/j", {"input": ["abcd", image, PIXEL, image], "input_type": "search"})
    assert told.status == 200, told.body
    assert [row["embedding"][0] for row in told.json["embeddings"]] == [3, len(PIXEL), 3, len(PIXEL)]
    assert told.headers["x-inferpoint-truncated"] == "2"
    asked = body(world.provider.calls[-1])
    assert (asked["input"], asked["task"]) == ([{"text": "abc"}, {"image": PIXEL}, {"text": "dat"}], "retrieval.query")


@pytest.mark.parametrize(
    ("settings", "medium", "reason"),
    [
        ({"multimodal_model": False}, "image", "The jinaai service does not support embedding with non-text inputs"),
        (
            {}, "pdf",
            "The jinaai service does not support embedding with inputs of type [pdf]; beside text it takes [image]",
        ),
    ],
)  # fmt: skip
def test_media_that_a_model_does_not_take_are_refused(
    world: World, settings: Mapping[str, Any], medium: str, reason: str
) -> None:
    """Before any call, and as what they are."""
    world.create("j", TaskType.EMBEDDING, jina(settings))
    told = post(world, "/_inference/j", {"input": ["a", {"content": {"type": medium, "value": PIXEL}}]})
    assert (told.status, told.json["error"]["reason"]) == (400, reason)
    chunked = post(world, "/_inference/j?chunked=true", {"input": {"content": IMAGE}})
    assert (chunked.status, world.provider.calls) == (400, [])


def test_sparse_vectors_are_weights_of_tokens(world: World) -> None:
    """More than a call takes become several; each input has its weights, by the ids of tokens, as text."""
    world.provider.answer = lambda call: json_reply(
        [[{"index": 7, "value": int(text)}] for text in body(call)["inputs"]], **{"x-compute-tokens": "1"}
    )
    told = post(world, "/_inference/sparse_embedding/s", {"input": [str(n) for n in range(70)], "input_type": "search"})
    assert told.json == {"sparse_embedding": [{"is_truncated": False, "embedding": {"7": float(n)}} for n in range(70)]}
    assert told.headers["x-inferpoint-input-tokens"] == "3"
    assert len(world.provider.calls) == 3


def test_what_was_cut_is_told(world: World) -> None:
    """Of dense vectors the header counts it, over all calls; a sparse one says it itself, for its 512 tokens."""
    world.create("e", EMBEDDING, hugging_face({"max_input_tokens": 2}))
    world.provider.answer = like_text_embeddings_inference
    told = post(world, "/_inference/e", {"input": ["abcdefg", *["abcdef"] * 40, "abc\U0001f600\U0001f600"]})
    assert [each["embedding"][0] for each in told.json["text_embedding"]] == [*[6] * 41, 4]
    assert told.headers["x-inferpoint-truncated"] == "2"
    told = post(world, "/_inference/e", {"input": "abcdef"})
    assert "x-inferpoint-truncated" not in told.headers
    world.provider.answer = lambda call: json_reply([{"a": len(text)} for text in body(call)["inputs"]])
    told = post(world, "/_inference/s", {"input": ["x" * 1536, "x" * 1537]})
    assert told.json == {
        "sparse_embedding": [
            {"is_truncated": False, "embedding": {"a": 1536.0}},
            {"is_truncated": True, "embedding": {"a": 1536.0}},
        ]
    }
    assert world.get("s")["service_settings"]["max_input_tokens"] == 512


def test_tokens_are_cut_too(make_world: MakeWorld) -> None:
    """Those of OpenAI's face, that are passed on as they are."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai({"max_input_tokens": 2}))
    told = post(world, "/v1/embeddings", {"model": "e", "input": [[1, 2, 3], [4]]})
    assert body(world.provider.calls[-1])["input"] == [[1, 2], [4]]
    assert told.headers["x-inferpoint-truncated"] == "1"


def test_sparse_vectors_of_chunks(world: World) -> None:
    """Chunks have weights as they have vectors; folded they have the mean, in which a missing token weighs nothing."""
    world.provider.answer = lambda call: json_reply([{text.strip()[0]: 1.0} for text in body(call)["inputs"]])
    chunking = {"strategy": "word", "max_chunk_size": 20, "overlap": 0}
    words = " ".join(["a"] * 20 + ["b"] * 20)
    told = post(world, "/_inference/s", {"input": words, "chunked": True, "chunking_settings": chunking})
    (found,) = told.json["sparse_embedding"]
    assert [each["embeddings"] for each in found["chunks"]] == [{"a": 1.0}, {"b": 1.0}]
    many = " ".join((["a"] * 20 + ["b"] * 20) * 300)
    told = post(world, "/_inference/s", {"input": many, "chunked": True, "chunking_settings": chunking})
    (found,) = told.json["sparse_embedding"]
    assert len(found["chunks"]) == 512
    assert {"a": 0.5, "b": 0.5} in [each["embeddings"] for each in found["chunks"]]


def test_what_it_cost_is_in_headers(make_world: MakeWorld) -> None:
    """Tokens that the provider counted, each under its name; where it counted none there is no header."""
    usage = {
        "prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
    world = make_world(lambda _: json_reply({"choices": [choice], "usage": usage}), validate=False)
    world.create("c", COMPLETION, openai())
    world.create("e", EMBEDDING, openai())

    def counted(path: str) -> dict[str, str]:
        headers = post(world, path, {"input": "x"}).headers
        return {name: value for name, value in headers.items() if name.endswith("-tokens")}

    assert counted("/_inference/c") == {
        "x-inferpoint-input-tokens": "9",
        "x-inferpoint-output-tokens": "5",
        "x-inferpoint-cached-tokens": "4",
        "x-inferpoint-reasoning-tokens": "3",
    }
    world.provider.answer = lambda _: json_reply({"data": [{"embedding": [1, 2]}], "usage": {"prompt_tokens": 9}})
    assert counted("/_inference/e") == {"x-inferpoint-input-tokens": "9"}
    world.provider.answer = lambda _: json_reply({"data": [{"embedding": [1, 2]}]})
    assert counted("/_inference/e") == {}


def test_a_task_that_does_not_stream_says_so(world: World) -> None:
    """One event, with the real status."""
    told = post(world, "/_inference/rerank/r/_stream", {"input": ["a"], "query": "q"})
    reason = (
        "Streaming is not allowed for service [hugging_face] and task [rerank]."
        " Supported tasks: [completion,chat_completion]"
    )
    ((sort, said),) = told.events
    assert (told.status, sort, said["error"]["reason"]) == (405, "error", reason)


STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["text", "image", "base64"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["content", "type", "format", "value"]), inner, max_size=3
    ),
    max_leaves=6,
)  # fmt: skip


@given(name=st.sampled_from("rms"), part=st.sampled_from(["input", "query", "top_n", "return_documents"]), new=STRANGE)
def test_a_body_with_anything_strange_in_it_is_taken_or_refused(world: World, name: str, part: str, new: Any) -> None:
    """Whatever an input, a query or one of their members is, the answer is 200 or 400."""
    world.provider.answer = lambda call: (
        ranks(call) if "texts" in body(call)
        else like_openai(call) if "input" in body(call)
        else json_reply([{"a": 1} for _ in body(call)["inputs"]])
    )  # fmt: skip
    asked = {"input": "x", "query": "x", part: new} if name == "r" else {"input": new}
    assert post(world, f"/_inference/{name}", asked).status in (200, 400)


@pytest.mark.parametrize("name", "rms")
def test_a_body_may_be_nested_deeply(world: World, name: str) -> None:
    """However deep an input is, it does not overflow what reads it or what quotes it."""
    for depth in (400, 900, 5000):
        deep = "[" * depth + "]" * depth
        for form in (deep, f'{{"content": {deep}}}', f'{{"type": {deep}, "value": "x"}}'):
            for item in (form, f'{{"content": {form}}}'):
                said = f'{{"input": {item}, "query": "q"}}' if name == "r" else f'{{"input": {item}}}'
                assert post(world, f"/_inference/{name}", said.encode()).status == 400
