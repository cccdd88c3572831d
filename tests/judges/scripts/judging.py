"""What every script here does: one SDK's client has recorded conversations with a stand-in that answers from them.

A script reads exchanges as JSON, has each by the functions that it hands to `run`, and prints what the client sent and
what it understood. The stand-in is in the same process, on loopback.
"""

import base64
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Exchange:
    """One conversation: the body to send, the path and settings of the call, and the stand-in's address."""

    address: str
    service: str
    path: str
    body: dict
    settings: dict
    reply: dict = field(repr=False)

    @property
    def key(self) -> str:
        return self.settings.get("api_key") or "none"


class StandIn(BaseHTTPRequestHandler):
    """Answers every call with the recorded reply, and keeps what was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append({"path": self.path, "headers": headers, "body": self.server.read(body)})
        reply = self.server.reply
        content = reply["body"].encode()
        self.send_response(200)
        for name, value in {**reply["headers"], "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *values: object) -> None:
        """Nothing."""


def run(tasks: dict[str, Callable[[Exchange], dict]], read: Callable[[bytes], dict] = json.loads) -> None:
    """Have each exchange of standard input by the function of its task, and print a verdict for each.

    What a client sends is compared as *read* has it.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.read = read
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    verdicts = []
    for given in json.load(sys.stdin):
        server.asked, server.reply = [], given["reply"]
        judge = tasks[given.pop("task")]
        try:
            verdict = {"meaning": judge(Exchange(address, **given))}
        except Exception as error:  # noqa: BLE001 - whatever the SDK objects to is its verdict
            verdict = {"error": f"{type(error).__name__}: {error}"}
        verdicts.append({**verdict, "sent": server.asked[-1] if server.asked else None})
    print(json.dumps(verdicts))


def known(method: Callable, body: dict) -> dict:
    """The members of *body* that *method* has parameters for; all, where it takes any."""
    parameters = inspect.signature(method).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return body
    return {name: value for name, value in body.items() if name in parameters}


def chatted(completion) -> dict:
    """What an object in OpenAI's form says: the first choice and the cost."""
    message = completion.choices[0].message
    said = {"text": message.content or "", "reasoning": thought(message), "tool_calls": called(message)}
    return {**said, **cost(completion.usage)}


def streamed(chunks: Iterable) -> dict:
    """What a stream of objects in OpenAI's form says."""
    meaning = {"text": "", "reasoning": "", "tool_calls": []}
    for chunk in chunks:
        for choice in chunk.choices:
            meaning["text"] += choice.delta.content or ""
            meaning["reasoning"] += thought(choice.delta)
            meaning["tool_calls"] += called(choice.delta)
        meaning.update(cost(getattr(chunk, "usage", None)))
    return meaning


def thought(message) -> str:
    """The thoughts, or a piece of them, by the names that providers have for them."""
    return getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""


def called(message) -> list:
    """The calls of tools, or the pieces of some."""
    calls = getattr(message, "tool_calls", None) or ()
    return [[call.id, call.function.name, call.function.arguments] for call in calls]


def cost(usage) -> dict:
    """How many tokens went in and came out, where the provider says it in OpenAI's words."""
    counts = usage if isinstance(usage, dict) else vars(usage) if usage else {}
    return {"input": counts.get("prompt_tokens"), "output": counts.get("completion_tokens")}


def embedded(answer) -> dict:
    """The vectors and the cost of an object in OpenAI's form."""
    return {"embeddings": [unpacked(row.embedding) for row in answer.data], **cost(answer.usage)}


def unpacked(vector) -> list:
    """The numbers of a vector, which may be base64 of 32-bit floats."""
    return memoryview(base64.b64decode(vector)).cast("f").tolist() if isinstance(vector, str) else vector


def ranked(results: Iterable) -> dict:
    """Places and scores, the best first."""
    return {"ranked": [[row.index, row.relevance_score] for row in results]}
