"""Which refusals fewer inputs in one call would mend: texts as providers have written them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint import services
from inferpoint.errors import Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Reply
from inferpoint.protocols.oversize import Oversize, by_status

INPUTS, TOKENS = Oversize.INPUTS, Oversize.TOKENS
FAILURES = [task.failures for name in services.names() for task in services.find(name).tasks.values()]


def openais(message: str, code: str | None = None, kind: str = "invalid_request_error") -> Any:
    """An error body of OpenAI."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def bedrocks(what: str) -> Any:
    """An error body of Bedrock when a model's schema refuses."""
    return {"message": f"Malformed input request: {what}, please reformat your input and try again."}


SAID: list[tuple[str, int, Any, Oversize | None]] = [
    ("openai", 400, openais("Requested 312345 tokens, max 300000 tokens per request", "max_tokens_per_request",
                            "max_tokens_per_request"), TOKENS),
    ("openai", 400, openais("Requested 312345 tokens, max 300000 tokens per request"), TOKENS),
    ("openai", 400, openais("Invalid 'input': maximum request size is 300000 tokens per request."), TOKENS),
    ("openai", 400, openais("Invalid 'input[22]': maximum input length is 8192 tokens."), TOKENS),
    ("openai", 400, openais("This model's maximum context length is 8192 tokens, however you requested 9000 tokens"
                            " (9000 in your prompt; 0 for the completion). Please reduce your prompt; or completion"
                            " length."), TOKENS),
    ("openai", 400, openais("No.", "context_length_exceeded"), TOKENS),
    ("openai", 400, openais("Invalid 'input': string too long. Expected a string with maximum length 10485760, but got"
                            " a string with length 20971520 instead.", "string_above_max_length"), TOKENS),
    ("openai", 400, openais("Invalid 'input': array too long. Expected an array with maximum length 2048, but got an"
                            " array with length 3000 instead.", "array_above_max_length"), INPUTS),
    ("openai", 400, openais("'$.input' is too long.", "array_above_max_length"), INPUTS),
    ("openai", 422, openais("Value should have at most 1024 items after validation, not 1260"), INPUTS),
    ("openai", 400, openais("Too many inputs. The max number of inputs is 16."), INPUTS),
    ("openai", 400, openais("<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should"
                            " not be larger than 10.: input.contents", "InvalidParameter"), INPUTS),
    ("openai", 400, openais("This model's maximum context length is 512 tokens. However, you requested 600 tokens in"
                            " the input for embedding generation. Please reduce the length of the input."), TOKENS),
    ("openai", 400, openais("the input length exceeds the context length"), TOKENS),
    ("openai", 400, openais("the request exceeds the available context size. try increasing the context size"), TOKENS),
    ("openai", 400, openais("This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
     TOKENS),
    ("openai", 422, openais("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"),
     TOKENS),
    ("openai", 400, openais("prompt is too long: 210000 tokens > 200000 maximum"), TOKENS),
    ("openai", 413, openais("Request too large"), TOKENS),
    ("openai", 400, openais("Invalid value for 'dimensions': must be at most 1536", "invalid_value"), None),
    ("openai", 400, openais("'$.input' is invalid. Please check the API reference."), None),
    ("openai", 400, openais("Invalid 'user': string too long. Expected a string with maximum length 64, but got a"
                            " string with length 100 instead.", "string_above_max_length"), None),
    ("openai", 401, openais("Incorrect API key provided", "invalid_api_key"), None),
    ("openai", 404, openais("The model `m` does not exist", "model_not_found"), None),
    ("openai", 429, openais("Rate limit reached for m on tokens per min (TPM): Limit 1000000, Used 979880, Requested"
                            " 30000.", "rate_limit_exceeded", "tokens"), None),
    ("openai", 429, openais("Too many inputs"), None),
    ("openai", 500, openais("maximum context length"), None),
    ("hugging_face", 422, {"error": "batch size 64 > maximum allowed batch size 32",
                           "error_type": "Validation"}, INPUTS),
    ("hugging_face", 413, {"message": "batch size 100 > maximum allowed batch size 32", "code": 413,
                           "type": "Validation"}, INPUTS),
    ("hugging_face", 413, {"error": "`inputs` must have less than 512 tokens. Given: 1024",
                           "error_type": "Validation"}, TOKENS),
    ("hugging_face", 422, {"error": "`inputs` must have less than 512 tokens. Given: 1024"}, TOKENS),
    ("hugging_face", 422, {"error": "`inputs` cannot be empty", "error_type": "Validation"}, None),
    ("hugging_face", 429, {"error": "Model is overloaded", "error_type": "Overloaded"}, None),
    ("amazonbedrock", 400, bedrocks("#/texts: expected maximum item count: 96, found: 97"), INPUTS),
    ("amazonbedrock", 400, bedrocks("#/texts/41: expected maxLength: 2048, actual: 2459"), TOKENS),
    ("amazonbedrock", 400, {"message": "invalid request: total number of texts must be at most 96 - received 131"},
     INPUTS),
    ("amazonbedrock", 400, {"message": "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input"
                                       " token count: 11235"}, TOKENS),
    ("amazonbedrock", 400, bedrocks("#: extraneous key [top_p] is not permitted"), None),
    ("amazonbedrock", 403, {"message": "The security token included in the request is invalid."}, None),
]  # fmt: skip


@pytest.mark.parametrize(("service", "status", "said", "found"), SAID)
def test_what_our_services_say(service: str, status: int, said: Any, found: Oversize | None) -> None:
    """The error body, as it comes, tells whether fewer inputs in a call would pass."""
    for failures in [task.failures for task in services.find(service).tasks.values()]:
        assert failures.oversize(failures.complaint(Reply(status, msgspec.json.encode(said)))) is found


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Unable to submit request because the input token count is 34708 but the model supports up to 20000. Reduce"
         " the input token count and try again.", TOKENS),
        ("250 instance(s) is allowed per prediction. Actual: 1243", INPUTS),
        ("The input token count (25270) exceeds the maximum number of tokens allowed (4000).", TOKENS),
        ("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch", INPUTS),
        ("Request to model 'voyage-large-2-instruct' failed. The max allowed tokens per submitted batch is 120000. Your"
         " batch has 121138 tokens after truncation. Please lower the number of tokens in the batch.", TOKENS),
        ("input batch size 473 > maximum allowed batch size 64", INPUTS),
        ("", None),
    ],
)  # fmt: skip
def test_what_others_say(message: str, found: Oversize | None) -> None:
    """Servers and gateways that speak OpenAI's format, and are called by its service, are understood too."""
    assert services.find("openai").tasks[TaskType.TEXT_EMBEDDING].failures.oversize(Upstream(400, message)) is found


def test_a_413_needs_no_words() -> None:
    """A 413 is too much whatever it says: it often comes from before the provider, as a page for people."""
    for failures in FAILURES:
        assert failures.oversize(Upstream(413)) is TOKENS


def test_who_knows_no_words_goes_by_the_status() -> None:
    """The default finds no reason in words that another provider would mean something by."""
    assert by_status(Upstream(400, "batch size 64 > maximum allowed batch size 32")) is None
    assert by_status(Upstream(413, "batch size 64 > maximum allowed batch size 32")) is TOKENS


@given(st.integers(), st.text(), st.text() | st.none(), st.text() | st.none())
def test_no_refusal_makes_it_fail(status: int, message: str, kind: str | None, code: str | None) -> None:
    """Whatever a provider says is too much of something, or is not."""
    for failures in FAILURES:
        assert failures.oversize(Upstream(status, message, kind, code)) in (*Oversize, None)
