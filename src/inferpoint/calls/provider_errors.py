"""What a provider's refusal means: its status and its words as one error, in Elasticsearch's phrases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, Upstream, kind_of_status
from inferpoint.model.http import Call, Reply
from inferpoint.model.secrets import Secrets
from inferpoint.outbound.retries import asked_to_wait

LONGEST_WORDS = 2000
_PHRASES = {
    401: "Received an authentication error status code",
    405: "Received a method not allowed status code",
    429: "Received a rate limit status code",
}


def refusal(resolved: Resolved, secrets: Secrets, call: Call | None, reply: Reply, now: datetime) -> InferenceError:
    """The error that *reply* to *call*, a status other than 2xx, stands for; *secrets* are not told."""
    upstream = complaint(resolved, reply, secrets)
    phrase = secrets.hide(_phrase({**_PHRASES, **resolved.task.failures.phrases}, call, reply))
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


def interruption(resolved: Resolved, said: Upstream, secrets: Secrets) -> InferenceError:
    """The error that a provider writes into a stream it has begun."""
    said = _hidden(said, secrets)
    reason = f"Received an error response for request from inference entity id [{resolved.endpoint.inference_id}]"
    if said.message:
        reason += f". Error message: [{said.message}]"
    whose = "provider" if said.status == 429 else None
    return InferenceError(kind_of_status(said.status), reason, upstream=said, whose_limit=whose)


def failure(resolved: Resolved, error: InferenceError, secrets: Secrets) -> InferenceError:
    """*error* as the caller may read it: without *secrets*, as providers quote the keys they refuse.

    When no reply came, or none that could be read, it says whose call that was.
    """
    problems = [secrets.hide(problem) for problem in error.problems]
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


def complaint(resolved: Resolved, reply: Reply, secrets: Secrets) -> Upstream:
    """What the body of a refusal says, without secrets; its first words where it is not what the provider documents."""
    try:
        said = resolved.task.failures.complaint(reply)
    except InferenceError:  # not the error body that the provider documents: its first words are better than none
        said = Upstream(reply.status, _plain(reply))
    return _hidden(said, secrets)


def _plain(reply: Reply) -> str:
    text = reply.body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text  # a page for people says nothing to programs


def _phrase(phrases: Mapping[int, str], call: Call | None, reply: Reply) -> str:
    status = reply.status
    if 300 <= status < 400:
        return "Unhandled redirection"
    default = "Received a server error status code" if status >= 500 else "Received an unsuccessful status code"
    url = "" if call is None else call.url.partition("?")[0]
    return phrases.get(status, default).format_map(_Known({"url": url, **reply.headers}))


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "unknown"


def _hidden(said: Upstream, secrets: Secrets) -> Upstream:
    """*said* without secrets, and no longer than anybody reads."""

    def start(words: str) -> str:
        return secrets.hide_start(words, LONGEST_WORDS)

    return Upstream(
        said.status,
        start(said.message),
        said.type and start(said.type),
        said.code and start(said.code),
        said.param and start(said.param),
    )
