"""What is ours in `POST /v1/embeddings`: the purpose, errors in the places of inputs, chunks."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application, Told
from world import body, json_reply

Faces = Callable[..., Application]
WORDS = {"strategy": "word", "max_chunk_size": 10, "overlap": 0}


def embedded(ask: Application, given: Any = "hi", **more: Any) -> Told:
    return ask("POST", "/v1/embeddings", {"model": "vectors", "input": given, **more})


def refusing(word: str) -> Any:
    """A provider that refuses every call that holds *word*."""

    def answer(call: Any) -> Any:
        texts = body(call)["input"]
        if any(word in text for text in texts):
            return json_reply({"error": {"message": "Not this.", "type": "t", "code": "bad_word"}}, 400)
        return json_reply({"data": [{"index": place, "embedding": [len(text), 0]} for place, text in enumerate(texts)]})

    return answer


@pytest.mark.parametrize("purpose", ["search", "INGEST", "unspecified", None])
def test_a_purpose_is_taken(ask: Application, purpose: Any) -> None:
    """In any case, as at Elasticsearch's face."""
    assert embedded(ask, input_type=purpose).status == 200


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_an_input_that_cannot_be_embedded_has_an_error_in_its_place(faces: Faces, encoding: str) -> None:
    """The others have their vectors; a header counts the errors."""
    ask = faces(refusing("bad"))
    told = embedded(ask, ["a", "bad", "ccc"], partial=True, encoding_format=encoding, dimensions=2)
    assert (told.status, told.headers["x-inferpoint-failed"]) == (200, "1")
    rows = told.json["data"]
    assert [row["index"] for row in rows] == [0, 1, 2]
    numbers = [list(array("f", base64.b64decode(row["embedding"]))) if encoding == "base64" else row["embedding"]
               for row in (rows[0], rows[2])]  # fmt: skip
    assert numbers == [[1, 0], [3, 0]]
    assert (rows[1]["embedding"], rows[1]["status"]) == (None, 400)
    assert rows[1]["error"]["code"] == "bad_word"
    assert "Not this." in rows[1]["error"]["message"]
    assert rows[1]["error"]["param"] == "input[1]"


def test_without_partial_one_error_is_the_answer(faces: Faces) -> None:
    """As OpenAI does it, with the place of the input."""
    status, error = embedded(faces(refusing("bad")), ["a", "bad"]).error
    assert (status, error["param"]) == (400, "input[1]")


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_chunks_are_told_in_the_row_of_their_input(ask: Application, encoding: str) -> None:
    """Offsets, texts where asked for, and vectors as numbers whatever a client asks unasked."""
    text = " ".join(["word"] * 25)
    told = embedded(
        ask, ["hi", text], chunked=True, return_text=True, chunking_settings=WORDS, encoding_format=encoding
    )
    short, long = told.json["data"]
    assert short["embedding"] is long["embedding"] is None
    assert [chunk["text"] for chunk in short["chunks"]] == ["hi"]
    assert len(long["chunks"]) == 3
    for chunk in long["chunks"]:
        assert text[chunk["start_offset"] : chunk["end_offset"]] == chunk["text"]
        assert chunk["embedding"] == [len(chunk["text"]), 0, 1]
    assert "text" not in embedded(ask, "hi", chunked=True).json["data"][0]["chunks"][0]


def test_chunks_of_an_input_that_cannot_be_embedded(faces: Faces) -> None:
    """One chunk's error is its input's."""
    ask = faces(refusing("bad"))
    rows = embedded(ask, ["good", "bad"], chunked=True, partial=True).json["data"]
    assert [chunk["embedding"] for chunk in rows[0]["chunks"]] == [[4, 0]]
    assert (rows[1]["embedding"], rows[1]["error"]["code"], "chunks" in rows[1]) == (None, "bad_word", False)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"input_type": "query"}, "Unrecognized input_type [query]"),
        ({"input_type": "clustering"}, "Invalid input_type [clustering]"),
        ({"input_type": 3}, "[input_type] must be a string"),
        ({"partial": "yes"}, "[partial] must be true or false"),
        ({"chunked": 1}, "[chunked] must be true or false"),
        ({"return_text": True}, "[return_text] needs [chunked] to be true"),
        ({"chunking_settings": WORDS}, "[chunking_settings] needs [chunked] to be true"),
        ({"chunked": True, "chunking_settings": "word"}, "[chunking_settings] must be an object"),
        ({"chunked": True, "chunking_settings": {"strategy": "x"}}, "chunkingStrategy x"),
        ({"chunked": True, "input": [[1, 2]]}, "Inputs cannot be chunked"),
        ({"chunked": True, "dimensions": 4}, "[dimensions] is [4]"),
    ],
)
def test_what_is_wrong_is_named(ask: Application, more: Any, problem: str) -> None:
    """A wrong member is the caller's error, in OpenAI's form."""
    status, error = ask("POST", "/v1/embeddings", {"model": "vectors", "input": "hi", **more}).error
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert problem in error["message"]
