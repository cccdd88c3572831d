"""A real server asked by schemathesis what its own OpenAPI document describes, and also what it excludes.

Run as `make schemathesis`, or `make schemathesis SEED=7` for the same again. It loses by a 500, by an answer that its
document does not describe, by taking what the document excludes, or where an operation never was answered well.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulated_provider import Asked, Provider
from raw_http import ask
from real_processes import ROOT, Inferpoint, environ, moved_to

PROGRAM = ROOT / ".venvs/schemathesis/bin/st"
ALL, SAMPLE = ("examples", "coverage", "fuzzing", "stateful"), ("examples", "fuzzing")
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
ENOUGH = 20_000  # requests
_DONE = re.compile(r'^inferpoint_requests_total\{method="(\w+)",route="([^"]+)",status="200"\}', re.MULTILINE)
ALIAS = "maker/model"
JOBS = "/_inference/_jobs"
# Rules that a schema does not tell, such as that a tool's turn answers a call.
EXCLUDED = ("positive_data_acceptance",)
# What changes keys, and what deletes, comes last, as it may be the very key or endpoint by which all is asked.
CHANGES_KEYS = "/_security/api_key/{id}"
RUNS = (
    ("--exclude-method=DELETE", f"--exclude-path={CHANGES_KEYS}"),
    (f"--include-path={CHANGES_KEYS}",),
    ("--include-method=DELETE",),
)
# What would take the endpoints away that all else is asked of, and what makes of an answer a part of it.
UNASKED = {"prune", "filter_path"}


def provider(request: Asked) -> None:
    """Answer as OpenAI and Text Embeddings Inference do, streamed where that is asked for."""
    body = request.json
    if "texts" in body:
        request.answer([{"index": index, "score": 1 / (index + 1)} for index, _ in enumerate(body["texts"])])
    elif "inputs" in body:
        request.answer([[{"index": 1, "value": 0.5}] for _ in body["inputs"]])
    elif "input" in body:
        rows = [{"index": index, "embedding": [0.6, 0.0, 0.8]} for index, _ in enumerate(body["input"])]
        request.answer({"data": rows, "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    elif body.get("stream"):
        request.stream()
        for delta, reason in (({"role": "assistant", "content": "Very "}, None), ({"content": "big."}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            request.send(b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n")
        request.send(b"data: [DONE]\n\n")
        request.hang_up()
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": "Very big."}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        request.answer({"id": "c", "model": "m", "choices": [choice], "usage": usage})


@contextmanager
def target(folder: Path) -> Iterator[Inferpoint]:
    """A server with an endpoint of each task, called by its name. It reaches nothing but its provider.

    Endpoints are kept untried, and what an address leads to that a request makes up is a proxy that does not tunnel.
    """
    with Provider(provider) as playing:
        proxies = dict.fromkeys(("http_proxy", "https_proxy"), playing.url)
        env = {**moved_to(playing.url), **proxies}
        with Inferpoint(folder / "data", "--skip-validation", f"--config={places(folder)}", env=env) as server:
            for task, (service, settings) in ENDPOINTS.items():
                named = {name: _at(value, playing.url) for name, value in settings.items()}
                aliases = [ALIAS] if task == "text_embedding" else []
                config = {"service": service, "service_settings": named, "aliases": aliases}
                made = ask(server.url, "PUT", f"/_inference/{task}/{task}", config)
                assert made.status == 200, made.body
            yield server


def places(folder: Path) -> Path:
    """A configuration with places of bulk jobs in *folder*, and texts in one of them."""
    (folder / "docs/2026").mkdir(parents=True)
    (folder / "vectors").mkdir()
    (folder / "docs/2026/docs.jsonl").write_text('{"id": "a", "text": "How big is a whale?"}\n')
    uses = {"docs": "source", "vectors": "sink"}
    named = {name: {"address": str(folder / name), "use": use} for name, use in uses.items()}
    file = folder / "inferpoint.yaml"
    file.write_text(json.dumps({"bulk": {"places": named}}))
    return file


def jobs(url: str, sent: Mapping[str, str], document: Mapping[str, Any]) -> None:
    """Make a paused job for whatever is done to one, called as that is."""
    ends = {"source": {"place": "docs", "path": "2026/docs.jsonl"}, "inference_id": "text_embedding"}
    for path, methods in document["paths"].items():
        for name in {_job(path, method) for method in methods} if "{job}" in path else ():
            body = {**ends, "name": name, "sink": {"place": "vectors", "path": f"{name}.jsonl"}}
            for made in (ask(url, "POST", JOBS, body, sent), ask(url, "POST", f"{JOBS}/{name}/_pause", None, sent)):
                assert made.status == 200, made.body


def _job(path: str, method: str) -> str:
    return "deleted" if method == "delete" else path.rpartition("/")[2].strip("_{}")


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
            names, told = STREAMED if path.endswith("_stream") else [*ENDPOINTS], known
            if method == "delete" and "{task_type}" in path:  # the first of all is gone by then
                names, told = ["rerank"], {**known, "task_type": "rerank"}
            for one in operation["parameters"]:
                _name(one, method, {**told, "job": _job(path, method)}, names)
    for schema in written["components"]["schemas"].values():
        _name_model(schema)
    written["components"]["schemas"]["JobRequest"]["examples"][0]["inference_id"] = "text_embedding"
    for task in ENDPOINTS:
        for path in ("/_inference/{task_type}/{inference_id}", "/_inference/{task_type}/{inference_id}/_stream"):
            if task in STREAMED or not path.endswith("_stream"):
                own = path.format(task_type=task, inference_id=task)
                written["paths"][own] = _of_task(written["paths"][path], task)
    return written


def _name_model(schema: dict[str, Any]) -> None:
    """Have the model of a body be one that there is, of the sort that the example names."""
    for example in schema.get("examples", ()):
        if names := MODELS.get(example.get("model", "")):
            schema["properties"]["model"] = {"type": "string", "enum": names}
            example["model"] = names[0]


def _name(parameter: dict[str, Any], method: str, known: Mapping[str, str], names: list[str]) -> None:
    """Have a *parameter* name something that lasts, where it is only asked, and else what need not."""
    name = parameter["name"]
    if name == "inference_id" and method == "post":
        parameter["schema"] = {"type": "string", "enum": names}
    if name == "inference_id":
        parameter["example"] = "made" if method == "put" else names[0]
    elif name in known:
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


@dataclass(frozen=True)
class Found:
    """How many requests were made, what schemathesis wrote of those that failed, and the operations never done well."""

    requests: int
    failures: str
    undone: list[str]


def asked(folder: Path, phases: Sequence[str], examples: int, seed: int) -> Found:
    """What comes of asking a server of its own for every operation, in *phases*, with so many *examples* of each."""
    with target(folder) as server:
        _, watching = _key(server.url, {})
        _, sent = _key(server.url, watching)
        spare, _ = _key(server.url, watching)
        body = {"model": STREAMED[1], "input": "How big is a whale?"}
        maker, model = ALIAS.split("/")
        kept = ask(server.url, "POST", "/v1/responses", body, sent).json["id"]
        known = {"response": kept, "maker": maker, "model": model, "id": spare}
        document = ask(server.url, "GET", "/openapi.json").json
        jobs(server.url, sent, document)
        file = folder / "openapi.json"
        file.write_text(json.dumps(narrowed(document, known)))
        key = f"--header=Authorization:{sent['Authorization']}"
        given = (key, f"--phases={','.join(phases)}", f"--max-examples={examples}", f"--seed={seed}")
        runs = [_run(folder, file, server.url, *given, *chosen) for chosen in RUNS]
        done = set(_DONE.findall(ask(server.url, "GET", "/metrics", None, watching).body.decode()))
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    undone = sorted(" ".join(operation) for operation in operations - done)
    return Found(sum(count for count, _ in runs), "".join(failures for _, failures in runs), undone)


def _key(url: str, sent: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A new key: its id, and the headers by which it is sent; made by who sends the headers *sent*."""
    made = ask(url, "POST", "/_security/api_key", {"name": "asking"}, sent)
    assert made.status == 200, made.body
    return made.json["id"], {"Authorization": f"ApiKey {made.json['encoded']}"}


def _run(folder: Path, file: Path, url: str, *given: str) -> tuple[int, str]:
    """How many requests schemathesis made, and what it says where it does not like the answers."""
    command = [str(PROGRAM), "run", str(file), f"--url={url}", f"--exclude-checks={','.join(EXCLUDED)}"]
    command += [f"--exclude-by=/{UNTRIED} == true", "--no-color", "--request-timeout=60", *given]
    ended = subprocess.run(command, cwd=folder, env=environ(folder), capture_output=True, text=True, check=False)
    counted = re.search(r"(\d+) generated", ended.stdout)
    assert counted, ended.stdout + ended.stderr
    return int(counted[1]), "" if ended.returncode == 0 else ended.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=30)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory() as folder:
        found = asked(Path(folder), ALL, arguments.examples, seed)
    print(f"{found.requests} requests, seed {seed}")
    print(found.failures)
    assert not found.failures, "lost"
    assert not found.undone, f"never done well: {', '.join(found.undone)}"
    assert found.requests >= ENOUGH


if __name__ == "__main__":
    main()
