"""A real server asked by schemathesis what its own OpenAPI document describes, and also what it excludes.

Run as `make schemathesis`, or `make schemathesis REQUESTS=50000`. It loses by a 500, by an answer that its document
does not describe, by taking what the document excludes, or where an operation never was answered well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulated_provider import Asked, Provider
from raw_http import ask
from real_processes import ROOT, Inferpoint, environ, moved_to

PROGRAM = ROOT / ".venvs/schemathesis/bin/st"
DOCUMENT = "/openapi.json"
PLENTY = {"rate_limit": {"requests_per_minute": 1_000_000_000}}
OPENAI = {"api_key": "sk-test", "model_id": "m", **PLENTY}
# An endpoint of each task, and the service and settings that it has.
ENDPOINTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "text_embedding": ("openai", OPENAI),
    "embedding": ("openai", OPENAI),
    "completion": ("openai", OPENAI),
    "chat_completion": ("openai", OPENAI),
    "sparse_embedding": ("hugging_face", {"api_key": "hf-test", "url": "{}/embed_sparse", **PLENTY}),
    "rerank": ("hugging_face", {"api_key": "hf-test", "url": "{}/rerank", **PLENTY}),
}
# The endpoints that may stand for a model of the document's examples.
MODELS = {
    "my-embeddings": ["text_embedding", "embedding"],
    "my-chat": ["chat_completion"],
    "my-reranker": ["rerank"],
}
STREAMED = ["completion", "chat_completion"]
UNTRIED = "x-untried"
ALIAS = "maker/model"
# Rules that a schema does not tell, such as that a tool's turn answers a call; and an open server looks at no key.
EXCLUDED = ("positive_data_acceptance", "ignored_auth")
# What would take the endpoints away that all else is asked of, and what makes of an answer a part of it.
UNASKED = {"prune", "filter_path"}


def provider(asked: Asked) -> None:
    """Answer as OpenAI and Text Embeddings Inference do, streamed where that is asked for."""
    body = asked.json
    if "texts" in body:
        asked.answer([{"index": index, "score": 1 / (index + 1)} for index, _ in enumerate(body["texts"])])
    elif "inputs" in body:
        asked.answer([[{"index": 1, "value": 0.5}] for _ in body["inputs"]])
    elif "input" in body:
        rows = [{"index": index, "embedding": [0.6, 0.0, 0.8]} for index, _ in enumerate(body["input"])]
        asked.answer({"data": rows, "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    elif body.get("stream"):
        asked.stream()
        for delta, reason in (({"role": "assistant", "content": "Very "}, None), ({"content": "big."}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            asked.send(b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n")
        asked.send(b"data: [DONE]\n\n")
        asked.hang_up()
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": "Very big."}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        asked.answer({"id": "c", "model": "m", "choices": [choice], "usage": usage})


@contextmanager
def target(folder: Path) -> Iterator[Inferpoint]:
    """A server with an endpoint of each task, called by its name. It reaches nothing but its provider.

    Endpoints are kept untried, and what an address leads to that a request makes up is a proxy that does not tunnel.
    """
    with Provider(provider) as playing:
        proxies = dict.fromkeys(("http_proxy", "https_proxy"), playing.url)
        env = {**moved_to(playing.url), **proxies}
        with Inferpoint(folder / "data", "--skip-validation", env=env) as server:
            for task, (service, settings) in ENDPOINTS.items():
                named = {name: _at(value, playing.url) for name, value in settings.items()}
                aliases = [ALIAS] if task == "text_embedding" else []
                config = {"service": service, "service_settings": named, "aliases": aliases}
                made = ask(server.url, "PUT", f"/_inference/{task}/{task}", config)
                assert made.status == 200, made.body
            yield server


def _at(value: Any, url: str) -> Any:
    return value.format(url) if isinstance(value, str) else value


def narrowed(document: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    """The document of a server as one who knows its endpoints would ask by it, and what else is *known* by a name.

    What is made, changed and deleted is called otherwise, so that the endpoints last.
    """
    written: dict[str, Any] = json.loads(json.dumps(document))
    for path, methods in written["paths"].items():
        for method, operation in methods.items():
            operation["parameters"] = [one for one in operation["parameters"] if one["name"] not in UNASKED]
            for one in operation["parameters"]:
                _name(one, method, known, [*ENDPOINTS] if not path.endswith("_stream") else STREAMED)
    schemas = written["components"]["schemas"]
    for schema in schemas.values():
        for example in schema.get("examples", ()):
            if names := MODELS.get(example.get("model", "")):
                schema["properties"]["model"] = {"type": "string", "enum": names}
                example["model"] = names[0]
    for task in ENDPOINTS:
        for path in ("/_inference/{task_type}/{inference_id}", "/_inference/{task_type}/{inference_id}/_stream"):
            if task in STREAMED or not path.endswith("_stream"):
                written["paths"][path.format(task_type=task, inference_id=task)] = _of_task(written["paths"][path], task)
    return written


def _name(parameter: dict[str, Any], method: str, known: Mapping[str, str], names: list[str]) -> None:
    """Have a *parameter* name something that lasts, where it is only asked, and else what need not."""
    name = parameter["name"]
    if name == "inference_id" and method == "post":
        parameter["schema"] = {"type": "string", "enum": names}
    if name == "inference_id":
        parameter["example"] = names[0] if method in ("get", "post") else "made"
    elif name in known and method == "get":
        parameter["example"] = known[name]


def _of_task(methods: Mapping[str, Any], task: str) -> dict[str, Any]:
    """*methods* of the path of one task, with its body; only its POST is to be tried."""
    those = json.loads(json.dumps(methods))
    body = {"rerank": "RerankRequest", "chat_completion": "UnifiedChatRequest"}.get(task, "TextsRequest")
    for method, operation in those.items():
        operation["operationId"] += f"_{task}"
        operation["parameters"] = [one for one in operation["parameters"] if one["in"] != "path"]
        if method != "post":
            operation[UNTRIED] = True
    for media in those["post"]["requestBody"]["content"].values():
        media["schema"] = {"$ref": f"#/components/schemas/{body}"}
    return those
