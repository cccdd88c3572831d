"""OpenAI's face in OpenAPI: its bodies and answers, but for `/v1/responses`, which has a file of its own."""

from __future__ import annotations

from inferpoint.api.openai.completions import MOST_PROMPTS
from inferpoint.api.openai.responses.openapi import PARAMETERS, RESPONSES
from inferpoint.api.openapi import chats
from inferpoint.api.openapi.description import (
    COUNT,
    FLAG,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    WHOLE,
    Description,
    Parameter,
    Schema,
    asked,
    either,
    events,
    listed,
    one_of,
    ref,
    told,
)
from inferpoint.model.json_schema import in_any_case
from inferpoint.model.requests import InputType

_MODEL: Schema = {**TEXT, "description": "The id of an endpoint, or one of its aliases."}
_ONE: Schema = {"type": "integer", "const": 1}
_SAMPLING: dict[str, Schema] = {
    "stream": FLAG,
    "stream_options": OBJECT,
    "n": _ONE,
    "max_tokens": WHOLE,
    "max_completion_tokens": WHOLE,
    "stop": chats.STOP,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "reasoning_effort": TEXT,
    "user": TEXT,
}
_SENT_ON = "Members that are not named here are sent on to the provider, or refused by name."
_CHUNKING: dict[str, Schema] = {
    "chunked": {**FLAG, "description": "Ours: whether long inputs are cut, and each chunk has a vector."},
    "chunking_settings": ref("chunking_settings"),
    "return_text": FLAG,
    "fold": FLAG,
}
_VECTOR = either(listed(NUMBER), TEXT, description="Numbers, or with `base64` their bytes as 32-bit floats.")
_ROW = told({"object": one_of("embedding"), "index": COUNT, "embedding": _VECTOR})
_CHUNK = told({"start_offset": COUNT, "end_offset": COUNT, "embedding": listed(NUMBER)}, {"text": TEXT})
_TOKENS = told({"prompt_tokens": COUNT, "total_tokens": COUNT})
_TEXT_CHOICE = told({"text": TEXT, "index": COUNT, "logprobs": NULL, "finish_reason": {"type": ["string", "null"]}})

_SCHEMAS: dict[str, Schema] = {
    "EmbeddingsRequest": asked(
        {
            "model": _MODEL,
            "input": either(
                TEXT, listed(TEXT, 1), listed(COUNT, 1), listed(listed(COUNT, 1), 1), description="Texts, or tokens."
            ),
        },
        {
            "encoding_format": one_of("float", "base64"),
            "dimensions": {**WHOLE, "description": "The length that the endpoint's vectors have."},
            "user": TEXT,
            "input_type": {
                "type": "string",
                "pattern": in_any_case([*InputType, "unspecified"]),
                "description": "Ours: what the vectors are for.",
            },
            "partial": {**FLAG, "description": "Ours: whether each input has its vector or its own error."},
            **_CHUNKING,
        },
        examples=[{"model": "my-embeddings", "input": ["The quick brown fox"]}],
    ),
    "EmbeddingsResponse": told(
        {
            "object": one_of("list"),
            "data": listed(
                either(
                    _ROW,
                    told({"index": COUNT, "embedding": NULL, "chunks": listed(_CHUNK)}),
                    told({"index": COUNT, "embedding": NULL, "error": ref("OpenAIErrorMembers"), "status": WHOLE}),
                )
            ),
            "model": TEXT,
            "usage": _TOKENS,
        }
    ),
    "ChatCompletionRequest": asked(
        {"model": _MODEL, "messages": chats.MESSAGES},
        {**_SAMPLING, "tools": chats.TOOLS, "tool_choice": ref("ChatToolChoice")},
        more=True,
        description=_SENT_ON,
        examples=[{"model": "my-chat", "messages": [{"role": "user", "content": "How big is a whale?"}]}],
    ),
    "ChatCompletionEvents": events(
        "Chunks of the object `chat.completion.chunk`, and `[DONE]` after a whole answer. One that breaks off ends with"
        " an `error`."
    ),
    "CompletionRequest": asked(
        {"model": _MODEL, "prompt": either(TEXT, listed(TEXT, 1, maxItems=MOST_PROMPTS))},
        {**_SAMPLING, "best_of": _ONE},
        more=True,
        description=_SENT_ON,
        examples=[{"model": "my-chat", "prompt": "The whale is"}],
    ),
    "CompletionResponse": told(
        {
            "id": TEXT,
            "object": one_of("text_completion"),
            "created": WHOLE,
            "model": TEXT,
            "choices": listed(_TEXT_CHOICE),
        },
        {"usage": ref("ChatUsage")},
    ),
    "CompletionEvents": events("Chunks of the object `text_completion`, and `[DONE]` after a whole answer."),
    "Model": told({"id": TEXT, "object": one_of("model"), "created": WHOLE, "owned_by": TEXT}),
    "AnthropicModel": told({"type": one_of("model"), "id": TEXT, "display_name": TEXT, "created_at": TEXT}),
    "ModelAnswer": either(ref("Model"), ref("AnthropicModel")),
    "ModelList": either(
        told({"object": one_of("list"), "data": listed(ref("Model"))}),
        told(
            {
                "data": listed(ref("AnthropicModel")),
                "has_more": FLAG,
                "first_id": {"type": ["string", "null"]},
                "last_id": {"type": ["string", "null"]},
            }
        ),
        description="Every endpoint under each of its names, as the client's maker lists models.",
    ),
    "OpenAIErrorMembers": told(
        {
            "message": TEXT,
            "type": TEXT,
            "param": {"type": ["string", "null"]},
            "code": {"type": ["string", "null"]},
        },
        {"kind": TEXT},
    ),
    "OpenAIError": either(told({"error": ref("OpenAIErrorMembers")}), ref("AnthropicError")),
    **RESPONSES,
}

DESCRIPTION = Description(
    title="OpenAI",
    text="OpenAI's API: `model` is the id of an endpoint, or one of its aliases.",
    schemas=lambda: _SCHEMAS,
    errors=("OpenAIError",),
    parameters={
        "model": Parameter(
            "The id of an endpoint, or one of its aliases.", {"type": "string", "minLength": 1}, "my-chat"
        ),
        "maker": Parameter("The part of an alias before its slash.", {"type": "string", "minLength": 1}, "BAAI"),
        "anthropic-version": Parameter("With it the answer is in Anthropic's form.", TEXT, at="header"),
        "limit": Parameter("At most so many: from 1 to 100 items, in Anthropic's form to 1000 models.", TEXT, "20"),
        "after_id": Parameter("Of Anthropic's form: those that follow this one.", TEXT),
        "before_id": Parameter("Of Anthropic's form: those before this one.", TEXT),
        **PARAMETERS,
    },
)
