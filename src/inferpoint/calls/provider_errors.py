"""The errors of providers: status and words of a refusal as one error, in Elasticsearch's phrases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, Upstream, kind_of_status
from inferpoint.model.http import Call, Reply
from inferpoint.model.secrets import Secrets
from inferpoint.outbound.retries import asked_to_wait
from inferpoint.protocols.oversize import Oversize

LONGEST_WORDS = 2000
_PHRASES = {
    401: "Received an authentication error status code",
    405: "Received a method not allowed status code",
    429: "Received a rate limit status code",
}


def from_reply(resolved: Resolved, secrets: Secrets, call: Call | None, reply: Reply, now: datetime) -> InferenceError:
    """The error that *reply* to *call*, a status other than 2xx, stands for; *secrets* are not told."""
    upstream = parsed(resolved, reply, secrets)
    phrase = secrets.hide(_phrase({**_PHRASES, **resolved.task.failures.phrases}, call, reply))
    return InferenceError(
        _kind(resolved, upstream),
        worded(phrase, resolved, upstream, status=reply.status),
        upstream=upstream,
        retry_after=asked_to_wait(reply.headers, now) or None,
        whose_limit=_whose_limit(reply.status),
    )


def from_stream(resolved: Resolved, complaint: Upstream, secrets: Secrets) -> InferenceError:
    """The error that a provider writes into a stream it has begun."""
    upstream = hidden(complaint, secrets)
    reason = worded("Received an error response", resolved, upstream)
    return InferenceError(
        _kind(resolved, upstream), reason, upstream=upstream, whose_limit=_whose_limit(upstream.status)
    )


def public(resolved: Resolved, error: InferenceError, secrets: Secrets) -> InferenceError:
    """*error* as the caller may read it: without *secrets*, as providers quote the keys they refuse.

    When no reply came, or none that could be read, it says whose call that was.
    """
    problems = [secrets.hide(problem) for problem in error.problems]
    if error.upstream is None and error.kind in (Kind.CUT_OFF, Kind.UNREADABLE):
        problems[0] = f"Failed to send {resolved.task.label} request. Cause: {problems[0]}"
    told = error.of_input(error.index, *problems)
    told.upstream = error.upstream and hidden(error.upstream, secrets)
    return told


def parsed(resolved: Resolved, reply: Reply, secrets: Secrets) -> Upstream:
    """The provider's error in a refusal, without secrets; the first words of a body that is not as it documents.

    A neighbour that answers something else may be no provider at all: its words are not told to who named its address.
    """
    try:
        complaint = resolved.task.failures.complaint(reply)
    except InferenceError:
        complaint = Upstream(reply.status, "" if reply.neighbour else _plain(reply))
    return hidden(complaint, secrets)


def worded(phrase: str, resolved: Resolved, upstream: Upstream, *, status: int | None = None) -> str:
    """*phrase* about a call of *resolved*, with its HTTP *status* and the provider's words where there are some."""
    reason = f"{phrase} for request from inference entity id [{resolved.endpoint.inference_id}]"
    if status is not None:
        reason += f" status [{status}]"
    return f"{reason}. Error message: [{upstream.message}]" if upstream.message else reason


def hidden(complaint: Upstream, secrets: Secrets, longest: int = LONGEST_WORDS) -> Upstream:
    """*complaint* without secrets, each of its texts cut after *longest* characters."""

    def start(words: str) -> str:
        return secrets.hide_start(words, longest)

    return Upstream(
        complaint.status,
        start(complaint.message),
        complaint.type and start(complaint.type),
        complaint.code and start(complaint.code),
        complaint.param and start(complaint.param),
    )


def _kind(resolved: Resolved, upstream: Upstream) -> Kind:
    """The kind that a refusal's status stands for; a prompt that is too long is told in words only."""
    generates = resolved.endpoint.task_type.generates
    if generates and resolved.task.failures.oversize(upstream) is Oversize.TOKENS:
        return Kind.CONTEXT_OVERFLOW
    return kind_of_status(upstream.status)


def _whose_limit(status: int) -> str | None:
    return "provider" if status == 429 else None


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
