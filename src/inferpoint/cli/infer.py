"""`inferpoint infer`: call an endpoint of a running server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from inferpoint.cli.remote import URL, InferenceId, Url, ask, ask_object, events, path, refused
from inferpoint.cli.screen import Form, Output, read_json
from inferpoint.errors import InferenceError, Kind


def infer(
    inference_id: InferenceId,
    texts: Annotated[list[str] | None, typer.Argument(help="The inputs; none reads one from standard input.")] = None,
    input_type: Annotated[str | None, typer.Option(help="What embeddings are for: search or ingest.")] = None,
    task_settings: Annotated[str | None, typer.Option(help="Task settings for this request, as JSON.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Embed what can be, and fail for the rest.")] = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
    url: Url = URL,
    output: Output = "table",
) -> None:
    """Call an endpoint."""
    body: dict[str, Any] = {"input": texts or [sys.stdin.read()]}
    if input_type:
        body["input_type"] = input_type
    if task_settings:
        body["task_settings"] = read_json(task_settings, "--task-settings")
    if partial:
        body["partial"] = True
    if stream:
        _stream(url, inference_id, body, output)
        return
    answer = ask_object(url, "POST", path(inference_id), body)
    results = next(iter(answer.values()))
    if output == "json":
        print(json.dumps(answer, ensure_ascii=False))
    else:
        for result in results:
            print(result["result"] if "result" in result else json.dumps(result, ensure_ascii=False))
    failed = [f"Input [{index}]: {row['error']['reason']}" for index, row in enumerate(results) if "error" in row]
    if failed:
        raise InferenceError(Kind.INVALID, *failed)


def _stream(url: str, inference_id: str, body: Mapping[str, Any], output: Form) -> None:
    """Print what comes, until the event that says that it is whole."""
    for data in events(ask(url, "POST", path(inference_id) + "/_stream", body)):
        whole = data == "[DONE]"
        if output == "json":
            print(data, flush=True)
        event = {"completion": [{"delta": "\n"}]} if whole else read_json(data, "an event of the stream")
        if "error" in event:
            raise refused(event, 500)
        if output == "table":
            print("".join(piece["delta"] for piece in event["completion"]), end="", flush=True)
        if whole:
            return
    raise InferenceError(Kind.CUT_OFF, f"The answer of {url} broke off before its end")
