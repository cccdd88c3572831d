"""`/v1/responses` in OpenAPI."""

from __future__ import annotations

from inferpoint.api.openapi.description import (
    ANYTHING,
    COUNT,
    FLAG,
    NULL,
    NUMBER,
    OBJECT,
    REFUSED,
    TEXT,
    TEXTS,
    WHOLE,
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

_TEXT_PART = asked(
    {"type": one_of("input_text", "output_text", "text"), "text": TEXT},
    {"annotations": ANYTHING, "logprobs": ANYTHING, "refusal": ANYTHING, "prompt_cache_breakpoint": ANYTHING},
)
_REFUSAL_PART = asked(
    {"type": one_of("refusal"), "refusal": TEXT},
    {"annotations": ANYTHING, "logprobs": ANYTHING, "text": ANYTHING, "prompt_cache_breakpoint": ANYTHING},
)
_IMAGE_PART = asked(
    {"type": one_of("input_image"), "image_url": TEXT},
    {"detail": one_of("auto", "low", "high"), "prompt_cache_breakpoint": ANYTHING},
)
_FILE_PART = asked(
    {"type": one_of("input_file"), "file_data": TEXT}, {"filename": TEXT, "prompt_cache_breakpoint": ANYTHING}
)
_PARTS = either(TEXT, listed(either(_TEXT_PART, _REFUSAL_PART, _IMAGE_PART, _FILE_PART)))
_ITEM = {"id": ANYTHING, "status": ANYTHING}
_MESSAGE = asked(
    {"role": one_of("user", "assistant", "system", "developer"), "content": _PARTS},
    {"type": one_of("message"), "phase": ANYTHING, **_ITEM},
)
_CALL = asked(
    {"type": one_of("function_call"), "call_id": TEXT, "name": TEXT, "arguments": TEXT}, {"namespace": TEXT, **_ITEM}
)
_CUSTOM_CALL = asked({"type": one_of("custom_tool_call"), "call_id": TEXT, "name": TEXT, "input": TEXT}, _ITEM)
_OUTPUT = asked(
    {"type": one_of("function_call_output", "custom_tool_call_output"), "call_id": TEXT, "output": _PARTS},
    {"namespace": ANYTHING, "name": ANYTHING, **_ITEM},
)
_REASONING = asked(
    {"type": one_of("reasoning")},
    {
        "summary": listed(asked({"text": TEXT}, more=True)),
        "content": ANYTHING,
        "encrypted_content": TEXT,
        **_ITEM,
    },
)
_REFERENCE = asked({"id": TEXT}, {"type": one_of("item_reference")})
_UNSAID = dict.fromkeys(("defer_loading", "output_schema", "allowed_callers"), REFUSED)
_FUNCTION = asked(
    {"type": one_of("function"), "name": TEXT},
    {"description": TEXT, "parameters": OBJECT, "strict": FLAG, **_UNSAID},
)
_CUSTOM = asked(
    {"type": one_of("custom"), "name": TEXT},
    {
        "description": TEXT,
        "format": either(
            asked({}, {"type": one_of("text")}),
            asked({"type": one_of("grammar"), "syntax": TEXT, "definition": TEXT}),
        ),
        "defer_loading": REFUSED,
        "allowed_callers": REFUSED,
    },
)
_NAMESPACE = asked(
    {"type": one_of("namespace"), "name": TEXT}, {"description": TEXT, "tools": listed(ref("ResponseFunction"))}
)
_OFFERED = asked(
    {"type": one_of("web_search", "web_search_preview")}, more=True, description="Taken, and not done: a hint."
)
_NAMED = asked({"type": one_of("function", "custom"), "name": TEXT}, more=True)
_CHOICE = either(
    one_of("auto", "none", "required"),
    _NAMED,
    asked({"type": one_of("allowed_tools"), "mode": one_of("auto", "required"), "tools": listed(_NAMED)}, more=True),
)
_FORMAT = either(
    asked({"type": one_of("text", "json_object")}),
    asked({"type": one_of("json_schema"), "name": TEXT, "schema": OBJECT}, {"description": TEXT, "strict": FLAG}),
)
_STATUS = one_of("completed", "incomplete", "in_progress", "failed")

RESPONSES: dict[str, Schema] = {
    "ResponseFunction": _FUNCTION,
    "ResponseRequest": asked(
        {"model": TEXT},
        {
            "input": either(TEXT, listed(either(_MESSAGE, _CALL, _CUSTOM_CALL, _OUTPUT, _REASONING, _REFERENCE))),
            "instructions": TEXT,
            "previous_response_id": TEXT,
            "stream": FLAG,
            "store": FLAG,
            "tools": listed(either(ref("ResponseFunction"), _CUSTOM, _NAMESPACE, _OFFERED)),
            "tool_choice": _CHOICE,
            "max_output_tokens": WHOLE,
            "temperature": NUMBER,
            "top_p": NUMBER,
            "parallel_tool_calls": FLAG,
            "reasoning": asked({}, {"effort": TEXT, "summary": TEXT, "generate_summary": TEXT}),
            "text": asked({}, {"format": _FORMAT, "verbosity": TEXT}),
            "include": TEXTS,
            "truncation": one_of("disabled"),
            "metadata": OBJECT,
            "user": TEXT,
            "prompt_cache_key": TEXT,
            "prompt_cache_retention": TEXT,
            "safety_identifier": TEXT,
            "service_tier": TEXT,
            **dict.fromkeys(("client_metadata", "max_tool_calls", "prompt_cache_options", "stream_options"), ANYTHING),
            **dict.fromkeys(
                ("background", "context_management", "conversation", "moderation", "prompt", "top_logprobs"),
                REFUSED,
            ),
        },
        anyOf=[{"required": ["input"]}, {"required": ["previous_response_id"]}],
        examples=[{"model": "my-chat", "input": "How big is a whale?"}],
    ),
    "Response": told(
        {
            "id": TEXT,
            "object": one_of("response"),
            "created_at": WHOLE,
            "status": _STATUS,
            "error": {"type": ["object", "null"]},
            "incomplete_details": {"type": ["object", "null"]},
            "model": TEXT,
            "output": listed(
                told({"id": TEXT, "type": one_of("message", "function_call", "custom_tool_call", "reasoning")})
            ),
            "tools": listed(OBJECT),
        },
        {
            "usage": told({"input_tokens": COUNT, "output_tokens": COUNT, "total_tokens": COUNT}),
            "previous_response_id": either(TEXT, NULL),
        },
    ),
    "ResponseEvents": events("The events of OpenAI's responses, from `response.created` to `response.completed`."),
    "ResponseDeleted": told({"id": TEXT, "object": one_of("response"), "deleted": FLAG}),
    "ResponseItems": told(
        {
            "object": one_of("list"),
            "data": listed(told({"id": TEXT, "type": TEXT})),
            "first_id": TEXT,
            "last_id": TEXT,
            "has_more": FLAG,
        }
    ),
}

PARAMETERS = {
    "response": Parameter(
        "The id of a response that is kept.", {"type": "string", "minLength": 1}, "resp_0123456789abcdef"
    ),
    "order": Parameter("The first to come, or the last.", one_of("asc", "desc")),
    "after": Parameter("The id of the item that the page follows.", TEXT),
    "include": Parameter("Taken, as nothing more can be told.", TEXT),
    "stream": Parameter("Only `false`: what has been answered is not streamed again.", one_of("false")),
}
