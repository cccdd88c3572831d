"""Cohere's face in OpenAPI."""

from __future__ import annotations

from inferpoint.api.openapi.description import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    Description,
    Schema,
    asked,
    either,
    listed,
    one_of,
    told,
)

_MODEL: Schema = {**TEXT, "description": "The id of an endpoint, or one of its aliases."}
_TOP: Schema = {"type": "integer", "minimum": 1}
_DOCUMENT = asked({"text": TEXT}, more=False)
_INPUT = asked({"content": listed(asked({"type": one_of("text"), "text": TEXT}, more=True), 1, maxItems=1)}, more=True)
_EXAMPLE = {"model": "my-reranker", "query": "big city", "documents": ["Paris is large", "a small village"]}
_RESULT: dict[str, Schema] = {"index": COUNT, "relevance_score": NUMBER}

_SCHEMAS: dict[str, Schema] = {
    "RerankV2Request": asked(
        {"model": _MODEL, "query": TEXT, "documents": listed(TEXT, 1)}, {"top_n": _TOP}, examples=[_EXAMPLE]
    ),
    "RerankV2Response": told({"id": TEXT, "results": listed(told(_RESULT)), "meta": OBJECT}),
    "RerankV1Request": asked(
        {"model": _MODEL, "query": TEXT, "documents": listed(either(TEXT, _DOCUMENT), 1)},
        {"top_n": _TOP, "return_documents": FLAG},
        description="As Cohere's older API, Jina and vLLM have it.",
        examples=[{**_EXAMPLE, "return_documents": True}],
    ),
    "RerankV1Response": told(
        {
            "id": TEXT,
            "model": TEXT,
            "results": listed(told(_RESULT, {"document": told({"text": TEXT})})),
            "usage": told({"prompt_tokens": COUNT, "total_tokens": COUNT}),
            "meta": OBJECT,
        }
    ),
    "EmbedRequest": asked(
        {
            "model": _MODEL,
            "input_type": one_of("search_document", "search_query", "classification", "clustering"),
        },
        {
            "texts": TEXTS,
            "inputs": listed(_INPUT),
            "embedding_types": listed(one_of("float", "base64")),
            "output_dimension": {"type": "integer", "description": "The length that the endpoint's vectors have."},
            "truncate": one_of("END"),
            "priority": {"const": 0},
        },
        anyOf=[{"required": ["texts"]}, {"required": ["inputs"]}],
        description="Either `texts` or `inputs`, with one text at least.",
        examples=[{"model": "my-embeddings", "input_type": "search_document", "texts": ["The quick brown fox"]}],
    ),
    "EmbedResponse": told(
        {
            "id": TEXT,
            "embeddings": told({}, {"float": listed(listed(NUMBER)), "base64": TEXTS}),
            "texts": TEXTS,
            "meta": OBJECT,
            "response_type": one_of("embeddings_by_type"),
        }
    ),
    "CohereError": told({"message": TEXT}, {"id": TEXT}),
}

DESCRIPTION = Description(
    title="Cohere",
    text="Cohere's API over endpoints that rank and embed: `model` is the id of one.",
    schemas=lambda: _SCHEMAS,
    errors=("CohereError",),
    parameters={},
)
