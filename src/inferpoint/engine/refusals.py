"""What a provider's refusal means: its status and its words as one error, in Elasticsearch's phrases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from inferpoint.engine.endpoints import Resolved
from inferpoint.errors import InferenceError, Kind, Upstream, kind_of_status
from inferpoint.model.http import Call, Reply
from inferpoint.model.settings import HIDDEN
from inferpoint.runtime.retries import asked_to_wait

LONGEST_WORDS = 2000
_PHRASES = {
    401: "Received an authentication error status code",
    405: "Received a method not allowed status code",
    429: "Received a rate limit status code",
}


def refusal(resolved: Resolved, call: Call, reply: Reply, now: datetime) -> InferenceError:
    """The error that *reply*, a status other than 2xx, stands for."""
    upstream = complaint(resolved, reply)
    phrase = _phrase({**_PHRASES, **resolved.task.failures.phrases}, call, reply)
    reason = f"{phrase} for request from inference entity id [{resolved.endpoint.inference_id}] status [{reply.status}]"
    if upstream.message:
        reason += f". Error message: [{upstream.message}]"
    return InferenceError(
        kind_of_status(reply.status),
        reason,
        upstream=upstream,
        retry_after=asked_to_wait(reply.headers, now) or None,
        whose_limit="provider" if reply.status == 429 else None,
    )


def interruption(resolved: Resolved, said: Upstream) -> InferenceError:
    """The error that a provider writes into a stream it has begun."""
    reason = f"Received an error response for request from inference entity id [{resolved.endpoint.inference_id}]"
    if said.message:
        reason += f". Error message: [{said.message}]"
    whose = "provider" if said.status == 429 else None
    return InferenceError(kind_of_status(said.status), reason, upstream=said, whose_limit=whose)


def failure(resolved: Resolved, error: InferenceError) -> InferenceError:
    """*error* as the caller may read it.

    Nothing in it that the endpoint keeps secret: providers quote the keys they refuse. When no reply came, or none
    that could be read, it says whose call that was.
    """
    secrets = resolved.secrets
    problems = [_without(problem, secrets) for problem in error.problems]
    if error.upstream is None and error.kind in (Kind.CUT_OFF, Kind.UNREADABLE):
        problems[0] = f"Failed to send {resolved.task.label} request. Cause: {problems[0]}"
    return InferenceError(
        error.kind,
        *problems,
        subject=error.subject,
        upstream=_hidden(error.upstream, secrets) if error.upstream else None,
        retry_after=error.retry_after,
        whose_limit=error.whose_limit,
        index=error.index,
    )


def complaint(resolved: Resolved, reply: Reply) -> Upstream:
    """What the body of a refusal says, without secrets; its first words where it is not what the provider documents."""
    try:
        said = resolved.task.failures.complaint(reply)
    except InferenceError:  # not the error body that the provider documents: its first words are better than none
        said = Upstream(reply.status, _plain(reply))
    said = _hidden(said, resolved.secrets)  # before it is cut: half a key would not be known for one
    return replace(said, message=said.message[:LONGEST_WORDS])


def _plain(reply: Reply) -> str:
    text = reply.body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text  # a page for people says nothing to programs


def _phrase(phrases: Mapping[int, str], call: Call, reply: Reply) -> str:
    status = reply.status
    if 300 <= status < 400:
        return "Unhandled redirection"
    default = "Received a server error status code" if status >= 500 else "Received an unsuccessful status code"
    return phrases.get(status, default).format_map(_Known({"url": call.url.partition("?")[0], **reply.headers}))


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "unknown"


def _hidden(said: Upstream, secrets: tuple[str, ...]) -> Upstream:
    return Upstream(
        said.status,
        _without(said.message, secrets),
        said.type and _without(said.type, secrets),
        said.code and _without(said.code, secrets),
        said.param and _without(said.param, secrets),
    )


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
