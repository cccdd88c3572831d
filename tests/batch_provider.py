"""A stand-in of our own for the batches of three providers: OpenAI, Anthropic, and Amazon Bedrock with its S3.

It answers every line that it was handed, shuffled, and knows what was handed in and what was paid. Its forms are those
of the providers' documentation, and `tests/judges/test_batch_stand_in.py` has the providers' own SDKs judge them.
"""

from __future__ import annotations

import base64
import email.parser
import email.policy
import itertools
import json
import random
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from clock import NOON
from world import json_reply

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply, address

LONGEST_ID = 64


Answered = tuple[str, int, dict[str, Any] | None]  # the id of a line, the status of its answer, and its body


class LostError(Exception):
    """The connection ends where the reply to a batch that was made should come."""


@dataclass
class Outcome:
    """What becomes of a batch: asked for `polls` times it still goes on, then it ends.

    `end` is `completed`, `expired`, `full` (the queue was) or `invalid`; `done` the part of its lines that are come to,
    and `statuses` those of lines, by their place. `heard` is whether the reply to its creation comes, `status` the one
    with which it is refused, and `hidden` how many answers are missing when they are fetched first.
    """

    polls: int = 1
    end: str = "completed"
    done: float = 1.0
    statuses: Mapping[int, int] = field(default_factory=dict[int, int])
    heard: bool = True
    status: int | None = None
    hidden: int = 0


@dataclass
class Made:
    """A batch that was made: its lines as ids and bodies, and the members that it was made with."""

    id: str
    created: float
    lines: list[tuple[str, dict[str, Any]]]
    outcome: Outcome
    members: dict[str, Any]
    origin: str
    polled: int = 0
    ended: str = ""
    answers: list[Answered] = field(default_factory=list[Answered])


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """The inputs of a line in whatever form."""
    if "inputText" in body:
        return [body["inputText"]]
    if "messages" in body:
        content = body["messages"][-1]["content"]
        return [content if isinstance(content, str) else content[0]["text"]]
    texts = body["input"] if "input" in body else body["texts"]
    return [texts] if isinstance(texts, str) else list(texts)


class BatchProvider:
    """All three. `outcomes` are those of the batches to come, one after the other; then all are completed.

    `handed` counts the texts of batches that were made, `paid` those that were answered.
    """

    def __init__(self, *outcomes: Outcome, now: Callable[[], float] = NOON.timestamp, seed: int = 1) -> None:
        self.now = now
        self.outcomes = list(outcomes)
        self.batches: dict[str, Made] = {}
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.handed: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.calls: list[Call] = []
        self._random = random.Random(seed)
        self._number = itertools.count(1)
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Reply | Exception:
        """The reply to *call*, as a world's provider answers."""
        try:
            return self.answer(call)
        except LostError:
            return InferenceError(Kind.CUT_OFF, "the connection ended")

    def answer(self, call: Call) -> Reply:
        """The reply to *call*, by the path of its address; calls that are no batch's are answered one by one."""
        with self._lock:
            self.calls.append(call)
            url = urlsplit(call.url)
            path, query = url.path.removeprefix("/v1"), {name: many[-1] for name, many in parse_qs(url.query).items()}
            parts = [unquote(part) for part in path.strip("/").split("/")]
            match call.method, parts:
                case _, ["messages", "batches", *rest]:
                    return self._anthropic(call, rest, query)
                case _, ["files", *rest]:
                    return self._file(call, rest)
                case _, ["batches", *rest]:
                    return self._openai(call, rest, query)
                case _, ["model-invocation-job" | "model-invocation-jobs" as kind, *rest]:
                    return self._bedrock(call, kind, rest, query)
                case "POST", ["embeddings" | "chat"] | [*_, "completions" | "messages" | "converse" | "invoke"]:
                    body = json.loads(call.body)
                    self.paid.update(texts_of(body))
                    return json_reply(_answered(body, "converse" if parts[-1] == "converse" else ""))
                case _:
                    return self._s3(call, path)

    # OpenAI: https://platform.openai.com/docs/api-reference/batch

    def _file(self, call: Call, rest: list[str]) -> Reply:
        match call.method, rest:
            case "POST", []:
                return self._upload(call)
            case "GET", [file, "content"] if file in self.files:
                return Reply(200, self._fetched(file), {"content-type": "application/octet-stream"})
            case "DELETE", [file] if self.files.pop(file, None) is not None:
                return json_reply({"id": file, "object": "file", "deleted": True})
            case _:
                return _openai_error(404, "invalid_request_error", f"No such file: {call.url}")

    def _openai(self, call: Call, rest: list[str], query: dict[str, str]) -> Reply:
        match call.method, rest:
            case "POST", []:
                return self._openai_made(json.loads(call.body))
            case "GET", []:
                page, more = self._page(query.get("after"), int(query.get("limit", 20)))
                data = [self._openai_batch(one) for one in page]
                return json_reply({"object": "list", "data": data, "has_more": more})
            case "GET", [batch] if batch in self.batches:
                self._poll(self.batches[batch])
            case "POST", [batch, "cancel"] if batch in self.batches:
                if not self._cancel(self.batches[batch]):
                    return _openai_error(409, "invalid_request_error", "Cannot cancel a batch that has ended")
            case _:
                return _openai_error(404, "invalid_request_error", f"No such batch: {call.url}")
        return json_reply(self._openai_batch(self.batches[rest[0]]))

    def _openai_made(self, members: dict[str, Any]) -> Reply:
        if members["input_file_id"] not in self.files or members["completion_window"] != "24h":
            return _openai_error(400, "invalid_request_error", "no such file or window")
        lines = [json.loads(line) for line in self.files[members["input_file_id"]].splitlines()]
        made = self._make("batch_", [(line["custom_id"], line["body"]) for line in lines], members)
        if isinstance(made, int):
            return _openai_error(made, "server_error", "the creation failed")
        if _is_invalid(lines, members["endpoint"]) and made.outcome.end == "completed":
            made.outcome.end, made.outcome.polls = "invalid", 0
        return json_reply(self._openai_batch(made))

    def _upload(self, call: Call) -> Reply:
        head = f"content-type: {call.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + call.body)
        form = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        if form["purpose"].get_content().strip() != "batch":
            return _openai_error(400, "invalid_request_error", "purpose")
        file, content = f"file-{next(self._number)}", form["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        self.files[file] = content
        return json_reply(
            {
                "id": file, "object": "file", "bytes": len(content), "created_at": int(self.now()), "purpose": "batch",
                "filename": form["file"].get_filename(), "status": "processed",
            }
        )  # fmt: skip

    def _openai_batch(self, made: Made) -> dict[str, Any]:
        status = made.ended or ("validating" if made.polled == 0 else "in_progress")
        good = [line for line in made.answers if line[1] == 200]
        bad = [line for line in made.answers if line[1] != 200]
        errors = None
        if made.ended in ("full", "invalid"):
            status = "failed"
            code = "token_limit_exceeded" if made.ended == "full" else "invalid_json_line"
            error = {"code": code, "message": f"{code} for m", "line": None, "param": None}
            errors = {"object": "list", "data": [error]}
        elif made.ended:
            self._keep(f"out-{made.id}", good)
            self._keep(f"err-{made.id}", bad)
        return {
            "id": made.id, "object": "batch", "endpoint": made.members["endpoint"], "errors": errors,
            "input_file_id": made.members["input_file_id"], "completion_window": "24h", "status": status,
            "output_file_id": f"out-{made.id}" if good and made.ended else None,
            "error_file_id": f"err-{made.id}" if bad and made.ended else None,
            "created_at": int(made.created), "in_progress_at": None, "expires_at": int(made.created) + 86400,
            "request_counts": {
                "total": len(made.lines), "completed": len(good),
                "failed": len([line for line in bad if line[2] is not None]),
            },
            "metadata": made.members.get("metadata"),
        }  # fmt: skip

    def _keep(self, file: str, answers: list[Answered]) -> None:
        if answers and file not in self.files:
            lines = [json.dumps(_openai_line(number, *one)) for number, one in enumerate(answers)]
            self.files[file] = "\n".join(lines).encode() + b"\n"

    def _fetched(self, file: str) -> bytes:
        made = self.batches.get(file.partition("-")[2])
        if made is None or not made.outcome.hidden:
            return self.files[file]
        missing, made.outcome.hidden = made.outcome.hidden, 0
        return b"".join(self.files[file].splitlines(keepends=True)[missing:])

    # Anthropic: https://docs.anthropic.com/en/api/creating-message-batches

    def _anthropic(self, call: Call, rest: list[str], query: dict[str, str]) -> Reply:
        match call.method, rest:
            case "POST", []:
                return self._anthropic_made(json.loads(call.body)["requests"])
            case "GET", []:
                page, more = self._page(query.get("after_id"), int(query.get("limit", 20)))
                data = [_anthropic_batch(one) for one in page]
                first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
                return json_reply({"data": data, "has_more": more, "first_id": first, "last_id": last})
            case _, [batch, *action] if batch in self.batches:
                return self._anthropic_one(call.method, action, self.batches[batch])
            case _:
                return _anthropic_error(404, "not_found_error", f"No such batch: {call.url}")

    def _anthropic_made(self, asked: list[dict[str, Any]]) -> Reply:
        if any(len(one["custom_id"]) > LONGEST_ID or one["params"].get("stream") for one in asked):
            return _anthropic_error(400, "invalid_request_error", "custom_id or stream")
        made = self._make("msgbatch_", [(one["custom_id"], one["params"]) for one in asked], {})
        if isinstance(made, int):
            return _anthropic_error(made, "api_error", "the creation failed")
        if made.outcome.end == "full":
            del self.batches[made.id]
            return _anthropic_error(429, "rate_limit_error", "too many requests in the queue")
        return json_reply(_anthropic_batch(made))

    def _anthropic_one(self, method: str, action: list[str], made: Made) -> Reply:
        match method, action:
            case "GET", []:
                self._poll(made)
            case "GET", ["results"] if made.ended:
                missing, made.outcome.hidden = made.outcome.hidden, 0
                lines = [json.dumps(_anthropic_line(*one)) for one in made.answers[missing:]]
                return Reply(200, "\n".join(lines).encode(), {"content-type": "application/x-jsonl"})
            case "POST", ["cancel"]:
                if not self._cancel(made):
                    return _anthropic_error(400, "invalid_request_error", "The batch has ended")
            case "DELETE", [] if made.ended:
                del self.batches[made.id]
                return json_reply({"id": made.id, "type": "message_batch_deleted"})
            case _:
                return _anthropic_error(404, "not_found_error", f"No such thing of [{made.id}]")
        return json_reply(_anthropic_batch(made))

    # Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html

    def _bedrock(self, call: Call, kind: str, rest: list[str], query: dict[str, str]) -> Reply:
        match call.method, rest:
            case "POST", []:
                return self._bedrock_job(json.loads(call.body))
            case "GET", [] if kind.endswith("s"):
                named = [one for one in self._newest() if query.get("nameContains", "") in one.members["jobName"]]
                return json_reply({"invocationJobSummaries": [_bedrock_told(one) for one in named]})
            case "GET", [job] if job in self.batches:
                made = self.batches[job]
                self._poll(made)
                self._bedrock_written(made)
                return json_reply(_bedrock_told(made))
            case "POST", [job, "stop"] if job in self.batches:
                if not self._cancel(self.batches[job]):
                    return _bedrock_error(409, "ConflictException", "The job has ended")
                self._bedrock_written(self.batches[job])
                return json_reply({})
            case _:
                return _bedrock_error(404, "ResourceNotFoundException", f"No such job: {call.url}")

    def _bedrock_job(self, members: dict[str, Any]) -> Reply:
        for made in self.batches.values():
            if made.members.get("clientRequestToken") == members["clientRequestToken"]:
                return json_reply({"jobArn": _arn(made)})
        uri = members["inputDataConfig"]["s3InputDataConfig"]["s3Uri"].removeprefix("s3://")
        if uri not in self.objects:
            return _bedrock_error(400, "ValidationException", f"No such object: {uri}")
        lines = [json.loads(line) for line in self.objects[uri].splitlines()]
        made = self._make("job", [(line["recordId"], line["modelInput"]) for line in lines], members)
        if isinstance(made, int):
            return _bedrock_error(made, "InternalServerException", "the creation failed")
        if made.outcome.end == "full":
            del self.batches[made.id]
            return _bedrock_error(400, "ServiceQuotaExceededException", "too many jobs at once")
        return json_reply({"jobArn": _arn(made)})

    def _bedrock_written(self, made: Made) -> None:
        if not made.ended or not made.answers:
            return
        folder = made.members["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix("s3://")
        name = made.members["inputDataConfig"]["s3InputDataConfig"]["s3Uri"].rpartition("/")[2]
        bodies = dict(made.lines)
        lines = [_bedrock_line(one[0], bodies[one[0]], *one[1:]) for one in made.answers if one[2] is not None]
        key = f"{folder}{made.id}/{name}.out"
        self.objects.setdefault(key, "\n".join(map(json.dumps, lines)).encode())

    def _s3(self, call: Call, path: str) -> Reply:
        key = unquote(path.lstrip("/"))
        if "x-amz-content-sha256" not in call.headers:
            return Reply(403, b"<Error><Code>AccessDenied</Code></Error>", {"content-type": "application/xml"})
        match call.method:
            case "PUT":
                self.objects[key] = call.body
                return Reply(200)
            case "DELETE":
                self.objects.pop(key, None)
                return Reply(204)
            case _ if key in self.objects:
                return Reply(200, self.objects[key], {"content-type": "binary/octet-stream"})
            case _:
                return Reply(404, b"<Error><Code>NoSuchKey</Code></Error>", {"content-type": "application/xml"})

    # What all three have in common

    def _make(self, prefix: str, lines: list[tuple[str, dict[str, Any]]], members: dict[str, Any]) -> Made | int:
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome()
        if outcome.status is not None:
            return outcome.status
        number = next(self._number)
        made = Made(f"{prefix}{number}", self.now(), lines, outcome, members, address(self.calls[-1].url))
        self.batches[made.id] = made
        if outcome.end != "full":
            self.handed.update(text for _, body in lines for text in texts_of(body))
        if not outcome.heard:
            raise LostError
        return made

    def _poll(self, made: Made) -> None:
        made.polled += 1
        if not made.ended and made.polled > made.outcome.polls:
            self._end(made, made.outcome.end, made.outcome.done)

    def _cancel(self, made: Made) -> bool:
        if made.ended:
            return False
        self._end(made, "cancelled", min(made.outcome.done, 0.5))
        return True

    def _end(self, made: Made, end: str, part: float) -> None:
        """End a batch of which a *part* was done; what was not come to has no body."""
        made.ended = end
        if end in ("full", "invalid"):
            return
        come_to = round(len(made.lines) * part)
        for place, (line, body) in enumerate(made.lines):
            status = made.outcome.statuses.get(place, 200)
            if place >= come_to:
                made.answers.append((line, 504, None))
                continue
            if status == 200:
                self.paid.update(texts_of(body))
            kind = made.members.get("modelInvocationType", "")
            made.answers.append((line, status, _answered(body, kind.lower()) if status == 200 else {}))
        self._random.shuffle(made.answers)

    def _newest(self) -> list[Made]:
        return [*reversed(self.batches.values())]

    def _page(self, after: str | None, limit: int) -> tuple[list[Made], bool]:
        every = self._newest()
        begin = next((place + 1 for place, made in enumerate(every) if made.id == after), 0)
        return every[begin : begin + limit], begin + limit < len(every)


def _vector(text: str) -> list[float]:
    return [float(len(text)), 0.0, 1.0]


def _answered(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The answer to one line, or call: vectors that begin with the length of their text, or an echo."""
    texts = texts_of(body)
    tokens = sum(len(text) for text in texts)
    if "inputText" in body:
        return {"embedding": _vector(texts[0]), "inputTextTokenCount": tokens}
    if "texts" in body:
        return {"embeddings": [_vector(text) for text in texts], "response_type": "embeddings_floats"}
    if kind == "converse":
        message = {"role": "assistant", "content": [{"text": texts[0]}]}
        usage = {"inputTokens": tokens, "outputTokens": tokens, "totalTokens": 2 * tokens}
        return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
    if "input" in body:
        wanted = body.get("encoding_format") == "base64"
        packed = [base64.b64encode(struct.pack("<3f", *_vector(text))).decode() for text in texts]
        rows = packed if wanted else [_vector(text) for text in texts]
        data = [{"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(rows)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}
    if "max_tokens" in body and "n" not in body:
        usage = {"input_tokens": tokens, "output_tokens": tokens}
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
            "content": [{"type": "text", "text": texts[0]}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": usage,
        }  # fmt: skip
    message = {"role": "assistant", "content": texts[0]}
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"], "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
    }  # fmt: skip


def _is_invalid(lines: list[dict[str, Any]], endpoint: str) -> bool:
    ids = [line["custom_id"] for line in lines]
    models = {line["body"]["model"] for line in lines}
    rightly = all(line["method"] == "POST" and line["url"] == endpoint for line in lines)
    return len(set(ids)) < len(ids) or max(map(len, ids)) > LONGEST_ID or len(models) > 1 or not rightly


def _openai_error(status: int, kind: str, words: str) -> Reply:
    return json_reply({"error": {"message": words, "type": kind, "param": None, "code": None}}, status)


def _openai_line(number: int, line: str, status: int, body: dict[str, Any] | None) -> dict[str, Any]:
    response, error = None, None
    if body is None:
        words = "This request could not be executed before the completion window expired."
        error = {"code": "batch_expired", "message": words}
    else:
        refused = {"error": {"message": f"line refused with {status}", "type": _TYPES.get(status), "code": None}}
        response = {"status_code": status, "request_id": f"r{number}", "body": body if status == 200 else refused}
    return {"id": f"batch_req_{number}", "custom_id": line, "response": response, "error": error}


_TYPES = {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error"}


def _anthropic_error(status: int, kind: str, words: str) -> Reply:
    return json_reply({"type": "error", "error": {"type": kind, "message": words}}, status)


def _anthropic_line(line: str, status: int, body: dict[str, Any] | None) -> dict[str, Any]:
    if body is None:
        return {"custom_id": line, "result": {"type": "expired"}}
    if status == 200:
        return {"custom_id": line, "result": {"type": "succeeded", "message": body}}
    error = {"type": _TYPES[status], "message": f"line refused with {status}"}
    return {"custom_id": line, "result": {"type": "errored", "error": {"type": "error", "error": error}}}


def _anthropic_batch(made: Made) -> dict[str, Any]:
    states = Counter("expired" if body is None else status for _, status, body in made.answers)
    going = not made.ended
    return {
        "id": made.id, "type": "message_batch", "processing_status": "in_progress" if going else "ended",
        "request_counts": {
            "processing": len(made.lines) if going else 0, "succeeded": states[200], "expired": states["expired"],
            "canceled": 0, "errored": states.total() - states[200] - states["expired"],
        },
        "created_at": _moment(made.created), "expires_at": _moment(made.created + 86400), "archived_at": None,
        "ended_at": None if going else _moment(made.created + 60), "cancel_initiated_at": None,
        "results_url": None if going else f"{made.origin}/v1/messages/batches/{made.id}/results",
    }  # fmt: skip


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _bedrock_error(status: int, kind: str, words: str) -> Reply:
    return Reply(status, json.dumps({"message": words}).encode(), {"x-amzn-errortype": kind})


def _arn(made: Made) -> str:
    return f"arn:aws:bedrock:eu-central-1:123456789012:model-invocation-job/{made.id}"


_BEDROCK = {"completed": "Completed", "expired": "PartiallyCompleted", "cancelled": "Stopped", "invalid": "Failed"}


def _bedrock_told(made: Made) -> dict[str, Any]:
    good = sum(status == 200 for _, status, _ in made.answers)
    bad = sum(status != 200 and body is not None for _, status, body in made.answers)
    status = _BEDROCK[made.ended] if made.ended else "Submitted" if made.polled < 1 else "InProgress"
    return {
        **{name: value for name, value in made.members.items() if name != "modelInvocationType"},
        "jobArn": _arn(made), "status": status, "submitTime": _moment(made.created),
        "message": "the file is wrong" if made.ended == "invalid" else None,
        "totalRecordCount": len(made.lines), "processedRecordCount": good + bad,
        "successRecordCount": good, "errorRecordCount": bad,
    }  # fmt: skip


def _bedrock_line(line: str, asked: dict[str, Any], status: int, body: dict[str, Any] | None) -> dict[str, Any]:
    if status == 200:
        return {"recordId": line, "modelInput": asked, "modelOutput": body}
    error = {"errorCode": status, "errorMessage": f"line refused with {status}"}
    return {"recordId": line, "modelInput": asked, "error": error}


class _Server(ThreadingHTTPServer):
    """A server whose callers may be killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(provider: BatchProvider) -> Generator[str]:
    """The address of *provider* on loopback, at a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _all(self) -> None:
            size = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            url = f"http://{self.headers['host']}{self.path}"
            try:
                reply = provider.answer(Call(url, self.rfile.read(size), headers, self.command))
            except LostError:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = _all  # noqa: N815 - the names that they have there

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name that it has there
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
