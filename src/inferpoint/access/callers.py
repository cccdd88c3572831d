"""Who is asking: from the credentials of a request to its caller, remembered so that most requests cost a look."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from inferpoint.access import credentials
from inferpoint.access.key import ApiKey
from inferpoint.access.keys import Keys
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS, Caller

MOST = 10_000  # headers that are remembered
OWN_HEADER = "x-api-key"  # goes first: a proxy's own credentials may be in the other one
_NOBODY = credentials.Credentials("", "").hash
_MISSING = "missing authentication credentials for REST request"
_WRONG = "unable to authenticate with provided credentials and anonymous access is not allowed for this request"


class Callers:
    """The callers by the headers of their requests; *is_open* lets everybody in as long as there is no key at all.

    `everybody` says that it does so now.
    """

    def __init__(self, keys: Keys, *, is_open: bool) -> None:
        self.keys = keys
        self._is_open = is_open
        self._known: dict[bytes, tuple[Caller, float]] = {}
        keys.watchers.append(self._look)
        self._look()

    def of(self, headers: Mapping[str, str], now: float) -> Caller:
        """The caller whose credentials are in *headers*, at the time *now*; `UNAUTHENTICATED` for anybody else."""
        own = headers.get(OWN_HEADER)
        text = headers.get("authorization") if own is None else f"apikey {own}"
        if text is None:
            if self.everybody:
                return ANONYMOUS
            raise InferenceError(Kind.UNAUTHENTICATED, _MISSING)
        # By a digest: neither is a secret kept, nor does the time of the look tell how a secret begins.
        digest = blake2b(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        return ANONYMOUS if self.everybody else self._remembered(text, digest, now)

    def ended(self, caller: Caller, now: float) -> InferenceError | None:
        """Why *caller*, who was let in, may not come in any more; None for who still may."""
        if caller is ANONYMOUS:
            return None if self.everybody else InferenceError(Kind.UNAUTHENTICATED, _MISSING)
        entry = self.keys.get(caller.name)
        return _ended(entry[0], now) if entry else InferenceError(Kind.UNAUTHENTICATED, _WRONG)

    def named(self, name: str, now: float) -> Caller:
        """The caller of that name, who was let in before; `UNAUTHENTICATED` for one who may not come in any more."""
        entry = self.keys.get(name)
        unknown = ANONYMOUS if name == ANONYMOUS.name else Caller(name)
        caller = unknown if entry is None else entry[1]
        ended = self.ended(caller, now)
        if ended is not None:
            raise ended
        return caller

    def _look(self) -> None:
        """See the keys as they are now."""
        self._known.clear()
        self.everybody = self._is_open and not len(self.keys)

    def _remembered(self, text: str, digest: bytes, now: float) -> Caller:
        caller, ends = self._read(text, now)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[digest] = caller, ends
        return caller

    def _read(self, text: str, now: float) -> tuple[Caller, float]:
        """The caller whose credentials *text* holds, and until when; wrong ones and unknown ones are refused alike."""
        asked = credentials.read(text) or credentials.Credentials("", "")
        entry = self.keys.get(asked.id)
        is_right = asked.match(_NOBODY if entry is None else entry[0].hash)
        if entry is None or not is_right:
            raise InferenceError(Kind.UNAUTHENTICATED, _WRONG)
        key, caller = entry
        if ended := _ended(key, now):
            raise ended
        return caller, key.ends


def _ended(key: ApiKey, now: float) -> InferenceError | None:
    """Why a *key* whose secret was right opens nothing; None for one that does."""
    if key.is_valid(now):
        return None
    how = "is expired" if key.invalidation is None else "has been invalidated"
    return InferenceError(Kind.UNAUTHENTICATED, f"{_WRONG}: api key [{key.id}] {how}")
