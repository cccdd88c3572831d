"""Completions, in the form of either kind of endpoint.

What `token` endpoints are sent is what the provider's own SDK, azure-ai-inference, sends: sampling at the top level of
the body. Elasticsearch sends it in `parameters` there too, where only `realtime` endpoints have it.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from inferpoint.model.chat import TextPart
from inferpoint.model.http import Call, Reply, json_call, parse, present
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Choice, Completion
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.openai import replies
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.requests import request_body
from inferpoint.protocols.service import no_hints
from inferpoint.services.azureaistudio.account import RATES, Account, check

COMPLETIONS = "Azure AI Studio completion"


@settings
class Options:
    """The settings that may change from request to request."""

    temperature: float | None = setting(
        "How random the answer is.", default=None, at_least=0, at_most=2, updatable=True
    )
    top_p: float | None = setting(
        "Sample from the likeliest tokens whose probabilities add up to this.",
        default=None,
        at_least=0,
        at_most=2,
        updatable=True,
    )
    do_sample: bool | None = setting("Whether to sample at all.", default=None, updatable=True)
    max_new_tokens: int = setting("The most tokens to generate.", default=64, at_least=1, updatable=True)


def encode(request: InferenceRequest, account: Account, options: Options, _origin: str) -> Call:
    """One turn of a user's for each input, and how to answer: in the form of either kind of endpoint."""
    messages, stream = request_body(request.conversation)["messages"], True if request.stream else None
    sampling = present({"temperature": options.temperature, "top_p": options.top_p, "do_sample": options.do_sample})
    if account.endpoint_type == "realtime":
        asked = {"input_string": messages, "parameters": {**sampling, "max_new_tokens": options.max_new_tokens}}
        return json_call(account.url, {"input_data": asked, "stream": stream})
    body = {"messages": messages, **sampling, "max_tokens": options.max_new_tokens, "stream": stream}
    return json_call(account.url, body)


class _Output(msgspec.Struct):
    output: str


def decode(reply: Reply, _request: InferenceRequest, account: Account, _options: object) -> Completion:
    """The answer, in the form of either kind of endpoint."""
    if account.endpoint_type != "realtime":
        return replies.completion(reply, COMPLETIONS)
    output = parse(reply.body, _Output, of=f"{COMPLETIONS} response").output
    return Completion([Choice.of([TextPart(output)], "stop")])


COMPLETE = replace(
    chat(COMPLETIONS, Account, RATES),
    options=Options,
    check=check("completion"),
    encode=encode,
    decode=decode,
    hints=no_hints,
    with_model=None,
    several=True,
)
