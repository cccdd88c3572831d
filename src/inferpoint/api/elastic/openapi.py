"""Elasticsearch's face in OpenAPI: its bodies and answers, but for chats, which have a file of their own."""

from __future__ import annotations

from typing import Any

from inferpoint.api.elastic.openapi_chat import CHATS
from inferpoint.api.elastic.openapi_jobs import JOBS
from inferpoint.api.elastic.openapi_jobs import PARAMETERS as JOB_PARAMETERS
from inferpoint.api.elastic.openapi_secrets import PARAMETERS as SECRET_PARAMETERS
from inferpoint.api.elastic.openapi_secrets import SECRETS
from inferpoint.api.elastic.openapi_security import KEYS
from inferpoint.api.elastic.openapi_security import PARAMETERS as KEY_PARAMETERS
from inferpoint.api.openapi.description import (
    ANYTHING,
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    WHOLE,
    WORD,
    Description,
    Parameter,
    Schema,
    asked,
    by_name,
    either,
    events,
    listed,
    one_of,
    ref,
    told,
)
from inferpoint.endpoints.applying import Action
from inferpoint.endpoints.schemas import EndpointSchemas
from inferpoint.endpoints.sections import SECTIONS
from inferpoint.model.endpoint import ANY, TaskType
from inferpoint.model.json_schema import SettingSchemas, in_any_case
from inferpoint.model.quota import UNITS, Lane
from inferpoint.model.requests import InputType

_AT = "#/components/schemas/"
_CHUNKING: Schema = {"$ref": f"{_AT}chunking_settings"}
_TIME: Schema = {
    "type": "string",
    "pattern": r"^\s*(-?[0-9]+\s*([nN][aA][nN][oO][sS]|[mM][iI][cC][rR][oO][sS]|[mM]?[sS]|[mMhHdD])|0|-1)\s*$",
}
_SWITCH: Schema = {"enum": ["", "true", "false"]}
_INPUT_TYPE: Schema = {
    "type": "string",
    "pattern": in_any_case([*InputType, "unspecified"]),
    "description": "What the vectors are for.",
}
_TASK_SETTINGS: Schema = {**OBJECT, "description": "What takes the place of the endpoint's own."}
_CHUNKED = {
    "chunking_settings": _CHUNKING,
    "return_text": {**FLAG, "description": "Whether the texts of the chunks are answered, too."},
    "fold": {
        **FLAG,
        "description": "Whether more than 512 chunks of an input are folded; they are unless it is false.",
    },
}
_ITEM = asked(
    {"type": {"type": "string", "pattern": in_any_case(["text", "image", "audio", "video", "pdf"])}, "value": TEXT},
    {"format": {"type": "string", "pattern": in_any_case(["text", "base64"])}},
    more=False,
    description="A text, or another medium as a data URI, where the service takes that.",
)
_CONTENT = asked({"content": either(ref("Item"), listed(ref("Item"), 1))}, more=False)
_SECTIONS = {section.name: OBJECT if section.always_object else ANYTHING for section in SECTIONS}
_UPDATED: dict[str, Schema] = {
    "service": TEXT,
    "task_type": TEXT,
    **_SECTIONS,
    "aliases": {"type": ["array", "null"], "items": WORD, "description": "In the place of those before."},
    "force": {**FLAG, "description": "Let an alias come to stand for vectors of another model."},
    "timeout": {"description": "Taken, as clients write it here too."},
}
_REQUESTS: dict[str, Schema] = {
    "Item": _ITEM,
    "TextsRequest": asked(
        {"input": either(TEXT, _CONTENT, listed(either(TEXT, _CONTENT), 1))},
        {
            "input_type": _INPUT_TYPE,
            "task_settings": _TASK_SETTINGS,
            "timeout": _TIME,
            "partial": {**FLAG, "description": "Whether each input has its result or its own error."},
            "encoding_format": one_of("float", "base64"),
            "chunked": {**FLAG, "description": "Whether long inputs are cut, and each chunk has a vector."},
            **_CHUNKED,
        },
        more=False,
        description="Texts to embed or to go on from. Members about chunks need `chunked`.",
        examples=[{"input": ["The quick brown fox", "jumps over the lazy dog"], "input_type": "ingest"}],
    ),
    "RerankRequest": asked(
        {"input": either(TEXT, ref("Item"), listed(either(TEXT, ref("Item")), 1)), "query": either(WORD, ref("Item"))},
        {
            "return_documents": FLAG,
            "top_n": {"type": "integer", "minimum": 1},
            "task_settings": _TASK_SETTINGS,
            "timeout": _TIME,
            "partial": FLAG,
        },
        more=False,
        description="Documents to put in order by how well they answer a query.",
        examples=[{"query": "big city", "input": ["Paris is large", "a small village"], "top_n": 1}],
    ),
    "InferenceRequest": either(
        ref("TextsRequest"),
        ref("RerankRequest"),
        ref("UnifiedChatRequest"),
        description="The body for the task type of the path, or else of the endpoint.",
    ),
    "PreviewRequest": asked(
        {"input": either(TEXT, listed(TEXT, 1))},
        _CHUNKED,
        more=False,
        examples=[{"input": "One sentence. Another one.", "return_text": True}],
    ),
    "EndpointUpdate": asked(
        {},
        more=False,
        minProperties=1,
        properties=_UPDATED,
        description="The sections to change; `task_settings` and `service_settings` are changed member by member.",
        examples=[{"task_settings": {"user": "somebody"}}],
    ),
    "ApplyRequest": asked(
        {"endpoints": listed({"type": "object", "required": ["inference_id"], "properties": {"inference_id": TEXT}})},
        more=False,
        description="All endpoints that there are to be, each as PUT takes it with its id and task type.",
        examples=[
            {
                "endpoints": [
                    {
                        "inference_id": "applied",
                        "task_type": "completion",
                        "service": "openai",
                        "service_settings": {"api_key": "sk-example", "model_id": "gpt-4o-mini"},
                    }
                ]
            }
        ],
    ),
}
_CAUSE = told({"type": TEXT, "reason": TEXT}, {"stack_trace": TEXT})
_ERROR = told({"type": TEXT, "reason": TEXT}, {"root_cause": listed(_CAUSE), "caused_by": ANYTHING, "kind": TEXT})
_FAILED = told({"error": _CAUSE, "status": WHOLE}, description="The error of one input of a partial request.")
_VECTOR = either(listed(NUMBER), TEXT, description="Numbers, or with `base64` their bytes as 32-bit floats.")
_WEIGHTS = by_name(NUMBER)
_CHUNK = told(
    {"start_offset": COUNT, "end_offset": COUNT, "embeddings": either(_VECTOR, _WEIGHTS)},
    {"text": TEXT},
)
_CHUNKS = told({"chunks": listed(_CHUNK)}, description="With `chunked` the chunks of one input.")
_DENSE = listed(either(told({"embedding": _VECTOR}), _CHUNKS, _FAILED))
_SPARSE = listed(either(told({"embedding": _WEIGHTS, "is_truncated": FLAG}), _CHUNKS, _FAILED))
_RANKED = told({"index": COUNT, "relevance_score": NUMBER}, {"text": TEXT})
_BUCKET = told({"limit": WHOLE, "remaining": WHOLE, "full_in_seconds": NUMBER})
_WAITING = told({"calls": COUNT, "oldest_seconds": NUMBER})
_DIFFERENCE = told({"setting": TEXT, "before": ANYTHING, "after": ANYTHING})
_QUOTA = told(
    {
        "group": TEXT,
        "service": TEXT,
        "inference_ids": TEXTS,
        "configured": told({f"{unit}_per_minute": {"type": ["integer", "null"]} for unit in UNITS} | {"burst": WHOLE}),
        "provider": told({unit: either(_BUCKET, {"type": "null"}) for unit in UNITS}),
        "paused_seconds": NUMBER,
        "paused_because": {"type": ["string", "null"]},
        "waiting": told({lane.value: _WAITING for lane in Lane}),
        "breakers": by_name(TEXT),
    },
    description="A rate group: endpoints whose calls wait in one queue.",
)
_CALLER = told(
    {"caller": TEXT, "limits": by_name(told({"limit": NUMBER, "used": NUMBER, "whole_in_seconds": NUMBER}))},
    description="A key with limits of its own, and what is used of them.",
)
_ANSWERS: dict[str, Schema] = {
    "Root": told({"name": TEXT, "cluster_name": TEXT, "version": told({"number": TEXT}), "tagline": TEXT}),
    "Endpoint": told(
        {"inference_id": TEXT, "task_type": one_of(*TaskType), "service": TEXT, "service_settings": OBJECT},
        {"task_settings": OBJECT, "chunking_settings": OBJECT, "aliases": TEXTS, "cache": OBJECT, "price": OBJECT},
        description="An endpoint as everybody may see it, without secrets.",
    ),
    "Endpoints": told({"endpoints": listed(ref("Endpoint"))}),
    "Made": either(ref("Endpoint"), ref("Draft")),
    "Draft": told(
        {
            "endpoint": ref("Endpoint"),
            "call": told({"method": TEXT, "url": TEXT, "headers": {"type": "object"}, "body": {}}),
        }
    ),
    "Exported": told({"endpoints": listed(OBJECT)}),
    "Deleted": told({"acknowledged": FLAG, "pipelines": TEXTS, "indexes": TEXTS}, {"error_message": TEXT}),
    "InferenceResult": either(
        *(told({f"text_embedding{element}": _DENSE}) for element in ("", "_bytes", "_bits")),
        told({"sparse_embedding": _SPARSE}),
        told({"embeddings": _DENSE}),
        told({"rerank": listed(_RANKED)}),
        told({"completion": listed(told({"result": TEXT}))}),
        ref("ChatCompletion"),
        description="The result, under the name of its task.",
    ),
    "InferenceEvents": events(
        '`message` events: of completions `{"completion": [{"delta": "…"}]}`, of chats chunks in OpenAI\'s form, and'
        " `[DONE]` after a whole answer. One that breaks off ends with an `error` event."
    ),
    "Previews": told({"inputs": listed(told({"chunks": listed(told({"start_offset": COUNT, "end_offset": COUNT}))}))}),
    "Services": listed(
        told(
            {"service": TEXT, "name": TEXT, "task_types": listed(one_of(*TaskType)), "configurations": by_name(OBJECT)}
        )
    ),
    "Quotas": told({"quotas": listed(_QUOTA)}, {"callers": listed(_CALLER)}),
    "Applied": told(
        {
            "errors": FLAG,
            "changes": listed(
                told(
                    {"inference_id": TEXT, "action": one_of(*Action), "differences": listed(_DIFFERENCE)},
                    {"error": TEXT},
                )
            ),
        }
    ),
    "Error": either(
        told({"error": either(_ERROR, ref("UnifiedChatError"), TEXT)}, {"status": WHOLE}),
        ref("Keys"),
        description="An exception; in chats as OpenAI writes it; a sentence where no route is; or no keys.",
    ),
    "ErrorEvents": events("One `error` event, where a stream was asked for."),
}


def _schemas() -> dict[str, Any]:
    endpoints = EndpointSchemas(_AT, SettingSchemas())
    config = either(*endpoints.alternatives(), description="An endpoint of one task of one service.")
    example = {
        "service": "openai",
        "service_settings": {"api_key": "sk-example", "model_id": "text-embedding-3-small"},
    }
    typed = {**config, "required": ["task_type"]}
    return {
        "EndpointConfig": {**config, "examples": [example]},
        "TypedEndpointConfig": {**typed, "examples": [{**example, "task_type": "text_embedding"}]},
        **endpoints.definitions(),
        **_REQUESTS,
        **CHATS,
        **KEYS,
        **SECRETS,
        **JOBS,
        **_ANSWERS,
    }


_PARAMETERS = {
    "inference_id": Parameter("The id of an endpoint, or one of its aliases.", WORD, "my-endpoint"),
    "task_type": Parameter(
        "What the endpoint does; `any` where that does not matter.",
        {"type": "string", "pattern": in_any_case([*TaskType, ANY])},
        "text_embedding",
    ),
    "timeout": Parameter("How long to try.", _TIME, "30s"),
    "master_timeout": Parameter("Taken, and without a meaning here.", _TIME, "30s"),
    "skip_validation": Parameter("Whether the endpoint is kept without a trial.", _SWITCH),
    "chunked": Parameter("As in the body, which goes before.", _SWITCH),
    "partial": Parameter("As in the body, which goes before.", _SWITCH),
    "dry_run": Parameter("Whether it is only told what would be done.", _SWITCH),
    "prune": Parameter("Whether endpoints that are not named are deleted.", _SWITCH),
    "force": Parameter("Taken, as nothing refers to an endpoint here.", _SWITCH),
    "pretty": Parameter("Whether the answer is indented.", _SWITCH),
    "human": Parameter("Taken, as nothing has a form for people here.", _SWITCH),
    "error_trace": Parameter("Whether an error tells where it was raised.", _SWITCH),
    "filter_path": Parameter(
        "The members to answer, or with `-` to leave out; the answer's schema is then a part.", TEXT
    ),
    "format": Parameter("Taken, and always JSON.", TEXT),
    **KEY_PARAMETERS,
    **SECRET_PARAMETERS,
    **JOB_PARAMETERS,
}

DESCRIPTION = Description(
    title="Elasticsearch",
    text="Elasticsearch's Inference API, and what manages the endpoints that all faces share.",
    schemas=_schemas,
    errors=("Error", "ErrorEvents"),
    parameters=_PARAMETERS,
    common=("pretty", "human", "error_trace", "filter_path", "format"),
    media=("application/vnd.elasticsearch+json",),
)
