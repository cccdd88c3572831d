"""The one error that crosses floors.

What can go wrong, as each face is told it::

    InferenceError
    ├── the caller's
    │   ├── INVALID          the request or the settings are wrong; `subject` says which
    │   ├── CONTEXT_OVERFLOW a prompt is longer than its model takes, as the provider says
    │   ├── UNAUTHENTICATED  nobody knows who is asking (or the provider refused our key)
    │   ├── FORBIDDEN        known, but not allowed
    │   ├── NOT_FOUND        no such endpoint, model or address of a provider's
    │   ├── NO_ROUTE         no such path here
    │   ├── WRONG_METHOD     a path that is not for this method
    │   ├── CONFLICT         the endpoint exists already, or is being changed
    │   ├── TOO_LARGE        more bytes than are taken
    │   └── UNSUPPORTED      the service cannot do this
    ├── of capacity
    │   ├── RATE_LIMITED     a limit was reached; `whose_limit` says whose
    │   ├── OVERLOADED       no room now
    │   └── TIMED_OUT        the deadline passed
    └── of the provider or of ours
        ├── CUT_OFF          the connection failed, or a reply ended before its end
        ├── UNREADABLE       a reply that is not what the provider promises
        └── INTERNAL         ours
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The sort of thing that went wrong; each face has one table from it to its own words."""

    INVALID = "invalid"
    CONTEXT_OVERFLOW = "context_overflow"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NO_ROUTE = "no_route"
    WRONG_METHOD = "wrong_method"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    TIMED_OUT = "timed_out"
    CUT_OFF = "cut_off"
    UNREADABLE = "unreadable"
    INTERNAL = "internal"


class Subject(StrEnum):
    """Which part of what the caller sent is wrong, where the kind alone does not say it."""

    NONE = ""
    SETTINGS = "settings"  # values that were collected and checked together
    REQUEST = "request"  # fields of a request that were collected and checked together
    BODY = "body"  # bytes that are not the JSON that is expected
    MISSING_BODY = "missing_body"
    MEDIA_TYPE = "media_type"  # a content type that is not read
    ARGUMENT = "argument"  # one value that stands alone: a parameter, a strategy
    EXISTING = "existing"  # an endpoint that is there already


@dataclass(frozen=True)
class Upstream:
    """The refusal of a provider: its HTTP status and the members of its error body."""

    status: int
    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None


class InferenceError(Exception):
    """Something that went wrong, as data; never with a secret in it.

    `problems` holds one sentence for each thing that is wrong, and is never empty. `upstream` is set when a provider
    answered with an error. `retry_after` is in seconds. `whose_limit` is `ours`, `provider` or `key` for
    `RATE_LIMITED`. `index` is the place of the one input that it is about, where it is about one of several. Its
    `__cause__`, when that is an `InferenceError` too, is what it was made of.
    """

    def __init__(
        self,
        kind: Kind,
        *problems: str,
        subject: Subject = Subject.NONE,
        upstream: Upstream | None = None,
        retry_after: float | None = None,
        whose_limit: str | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(*problems)
        self.kind = kind
        self.problems = problems
        self.subject = subject
        self.upstream = upstream
        self.retry_after = retry_after
        self.whose_limit = whose_limit
        self.index = index

    @property
    def is_not_the_callers(self) -> bool:
        """Whether the provider failed, or we did: another request would not have helped, and limits are no failures."""
        failed = self.kind in (Kind.CUT_OFF, Kind.UNREADABLE, Kind.INTERNAL)
        return failed or (self.upstream is not None and self.upstream.status >= 500)

    def of_input(self, index: int | None, *problems: str) -> InferenceError:
        """This error, about the input at *index* or about none, and in other words where *problems* are told."""
        return InferenceError(
            self.kind,
            *(problems or self.problems),
            subject=self.subject,
            upstream=self.upstream,
            retry_after=self.retry_after,
            whose_limit=self.whose_limit,
            index=index,
        )

    def whole(self) -> str:
        """The words with those of what it was made of."""
        cause = self.__cause__
        return f"{self} Caused by: {cause.whole()}" if isinstance(cause, InferenceError) else str(self)

    def __str__(self) -> str:
        return "; ".join(self.problems)

    def __repr__(self) -> str:
        return f"InferenceError({self.kind.value}, {str(self)!r})"


def invalid(*problems: str, subject: Subject = Subject.NONE) -> InferenceError:
    """An `INVALID` error, the commonest kind, in one word."""
    return InferenceError(Kind.INVALID, *problems, subject=subject)


_KIND_OF_STATUS = {
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    408: Kind.TIMED_OUT,
    409: Kind.CONFLICT,
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMITED,
    503: Kind.OVERLOADED,
    504: Kind.TIMED_OUT,
    529: Kind.OVERLOADED,
}


def kind_of_status(status: int) -> Kind:
    """The kind that a provider's HTTP status stands for."""
    return _KIND_OF_STATUS.get(status, Kind.INTERNAL if status >= 500 else Kind.INVALID)


def let_go(error: BaseException | None) -> None:
    """Have *error* and what led to it keep nothing alive of the walk that it ended, which may hold a whole body."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
