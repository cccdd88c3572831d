"""`inferpoint infer`: call an endpoint of a running server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, cast

import typer

from inferpoint.cli.remote import URL, InferenceId, Url, ask, ask_object, asking, events, path, refused, without_user
from inferpoint.cli.screen import Form, Output, read_json, show
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import present

_SHOWN = 5  # numbers of a vector, and tokens of a sparse one
_INTERRUPTED = 130  # as a shell tells of SIGINT


@asking
def infer(
    inference_id: InferenceId,
    texts: Annotated[list[str] | None, typer.Argument(help="The inputs; none reads them from standard input.")] = None,
    query: Annotated[str | None, typer.Option(help="What documents are ranked by, of a rerank endpoint.")] = None,
    input_type: Annotated[str | None, typer.Option(help="What embeddings are for: search or ingest.")] = None,
    task_settings: Annotated[str | None, typer.Option(help="Task settings for this request, as JSON.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Embed what can be, and fail for the rest.")] = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes, as chats always do.")] = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
    url: Url = URL,
    output: Output = "table",
) -> None:
    """Call an endpoint: embed texts, rank documents by a query, complete a text, or say something to a chat."""
    settings = read_json(task_settings, "--task-settings") if task_settings else None
    kind = ask_object(url, "GET", path(inference_id))["endpoints"][0]["task_type"]
    inputs = texts or _typed(kind)
    body = {"input": inputs, "query": query, "input_type": input_type, "task_settings": settings}
    try:
        match kind:
            case TaskType.CHAT_COMPLETION:
                _refuse(body, "query", "input_type", "task_settings")
                turns = [{"role": "user", "content": "\n".join(inputs)}]
                _stream(url, path(inference_id), {"messages": turns}, output)
            case _ if stream:
                _stream(url, path(inference_id), present(body), output)
            case _:
                _whole(url, path(inference_id), {**present(body), **({"partial": True} if partial else {})}, output)
    except KeyboardInterrupt:  # whoever interrupts knows it
        raise typer.Exit(_INTERRUPTED) from None


def _typed(kind: str) -> list[str]:
    """The inputs on standard input: a document on each line for a ranking, else one text."""
    text = sys.stdin.read()
    return text.splitlines() if kind == TaskType.RERANK else [text]


def _refuse(body: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if body[name] is not None:
            raise invalid(f"--{name.replace('_', '-')} has no meaning for a chat")


def _whole(url: str, endpoint: str, body: Mapping[str, Any], output: Form) -> None:
    """Print a whole result: a ranking as a table, any other with one line for each input."""
    answer = ask_object(url, "POST", endpoint, body)
    results = next(iter(answer.values()))
    if output == "json":
        print(json.dumps(answer, ensure_ascii=False))
    elif TaskType.RERANK in answer:
        show(_ranked(results, body["input"]), output, ("rank", "score", "index", "document"))
    else:
        for result in results:
            print(result["result"] if "result" in result else _one_line(result))
    failed = [f"Input [{index}]: {row['error']['reason']}" for index, row in enumerate(results) if "error" in row]
    if failed:
        raise InferenceError(Kind.INVALID, *failed)


def _one_line(result: Mapping[str, Any]) -> str:
    """A result as JSON, whole for a program; a terminal is shown how its vector begins."""
    vector = result.get("embedding")
    if not sys.stdout.isatty() or not vector:
        return json.dumps(result, ensure_ascii=False)
    if isinstance(vector, dict):
        weights = cast("dict[str, float]", vector)
        heaviest = sorted(weights, key=lambda token: -weights[token])[:_SHOWN]
        return f"{', '.join(f'{token} {weights[token]:.4f}' for token in heaviest)}, … ({len(weights)} tokens)"
    return f"{', '.join(f'{number:.4f}' for number in vector[:_SHOWN])}, … ({len(vector)} numbers)"


def _ranked(results: list[dict[str, Any]], documents: list[str]) -> list[dict[str, Any]]:
    """The rows of a ranking, with the documents that were typed."""
    return [
        {
            "rank": place,
            "score": f"{row['relevance_score']:.4f}",
            "index": row["index"],
            "document": documents[row["index"]],
        }
        for place, row in enumerate(results, 1)
    ]


def _stream(url: str, endpoint: str, body: Mapping[str, Any], output: Form) -> None:
    """Print what comes, until the event that says that it is whole."""
    for data in events(ask(url, "POST", f"{endpoint}/_stream", body)):
        whole = data == "[DONE]"
        if output == "json":
            print(data, flush=True)
        event: dict[str, Any] = {} if whole else read_json(data, "an event of the stream")
        if "error" in event:
            raise refused(event, 500)
        if output == "table":
            print("\n" if whole else _text(event), end="", flush=True)
        if whole:
            return
    raise InferenceError(Kind.CUT_OFF, f"The answer of {without_user(url)[0]} broke off before its end")


def _text(event: Mapping[str, Any]) -> str:
    """The words in an event of a completion, or of a chat, whose tool calls are shown where their arguments come."""
    pieces = [piece["delta"] for piece in event.get("completion", ())]
    for choice in event.get("choices", ()):
        delta = choice.get("delta", {})
        pieces.append(delta.get("content") or "")
        for call in delta.get("tool_calls", ()):
            function = call.get("function", {})
            name = f"\n{function['name']} " if "name" in function else ""
            pieces.append(name + function.get("arguments", ""))
    return "".join(pieces)
