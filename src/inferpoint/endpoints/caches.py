"""Which cache an endpoint uses, and what an embedding is kept by and as."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model import settings
from inferpoint.model.cache import CacheSettings
from inferpoint.model.endpoint import Endpoint
from inferpoint.model.requests import InferenceRequest, Media, Tokens
from inferpoint.model.vectors import listed
from inferpoint.storage.cache import Cache
from inferpoint.storage.cache_file import CacheFile
from inferpoint.telemetry.counters import CacheCounters

SHARED_FILE = "cache.db"
_OWN_FILE = "cache-{version}.db"  # a version is never used again, so that nobody finds another's file under its name
_COMPANIONS = ("", "-wal", "-shm")
_DIGEST_BYTES = 32
_WHOLE, _CUT = b"\x00", b"\x01"
_MEDIA = b"\xff"  # begins no text in UTF-8

Input = str | tuple[int, ...] | Media
Embedding = msgspec.Raw | Mapping[str, float]


class Caches:
    """The caches of endpoints that have one of their own, and the server's for all others.

    An endpoint's own is made when it is first asked for and goes with the version that it is of: no key of another
    version would find anything in it. Without a *folder* they are in memory alone.
    """

    def __init__(
        self, endpoints: Endpoints, folder: Path | None, shared: CacheSettings | None, counts: CacheCounters
    ) -> None:
        self._endpoints = endpoints
        self._counts = counts
        self._folder = folder
        self._shared = None if shared is None else self._made(shared, SHARED_FILE)
        self._own: dict[str, tuple[Endpoint, Cache]] = {}

    def of(self, resolved: Resolved) -> Cache | None:
        """The cache that *resolved* uses; None where it is off.

        An endpoint has none of its own before it is kept and after it was changed or deleted. One that is tried finds
        nothing in the server's, for its version is new.
        """
        endpoint = resolved.endpoint
        if endpoint.cache is None:
            return self._shared
        if (known := self._own.get(endpoint.version)) is not None:
            return known[1]
        if not self._endpoints.holds(endpoint):
            return None
        cache = self._made(endpoint.cache, _OWN_FILE.format(version=endpoint.version))
        if cache is not None:
            self._own[endpoint.version] = endpoint, cache
        return cache

    async def find(
        self, resolved: Resolved, request: InferenceRequest, items: Iterable[Input]
    ) -> Mapping[Input, tuple[Embedding, bool]] | None:
        """The known embeddings of *items*, and whether each item was cut; None where the cache is off.

        Those that were kept packed are made lists for who has not asked for them so.
        """
        cache = self.of(resolved)
        if cache is None:
            return None
        prefix = key_prefix(resolved, request)
        keys = {item_key(prefix, item): item for item in items}
        known = await cache.find(list(keys))
        self._counts.looked_up(len(known), len(keys) - len(known))
        self._tell()
        return {keys[key]: decoded(value, packed=request.packed) for key, value in known.items()}

    def keep(
        self, resolved: Resolved, request: InferenceRequest, embedded: Iterable[tuple[Input, Embedding, bool]]
    ) -> None:
        """Keep items with their embeddings and whether each item was cut, where the cache is on."""
        cache = self.of(resolved)
        if cache is None:
            return
        prefix = key_prefix(resolved, request)
        cache.keep({item_key(prefix, item): encoded(value, cut=cut) for item, value, cut in embedded})
        self._tell()

    async def sweep(self) -> None:
        """Forget the caches, on the disk too, of endpoints that were changed or deleted."""
        gone = [version for version, (endpoint, _) in self._own.items() if not self._endpoints.holds(endpoint)]
        for version, cache in [(version, self._own.pop(version)[1]) for version in gone]:
            await cache.close()
            if self._folder is not None:
                await asyncio.to_thread(_remove, self._folder / _OWN_FILE.format(version=version))
        if gone:
            self._tell()

    def remove_leftovers(self) -> None:
        """Remove the files of endpoints that are gone: a process that was killed could not."""
        if self._folder is None:
            return
        kept = {_OWN_FILE.format(version=resolved.endpoint.version) for resolved in self._endpoints.all()}
        for path in self._folder.glob(_OWN_FILE.format(version="*")):
            if path.name not in kept:
                _remove(path)

    async def close(self) -> None:
        """Write what waits to be written."""
        for cache in self._all():
            await cache.close()

    def _all(self) -> list[Cache]:
        own = [cache for _, cache in self._own.values()]
        return own if self._shared is None else [self._shared, *own]

    def _tell(self) -> None:
        caches = self._all()
        self._counts.holds(sum(cache.entries for cache in caches), sum(cache.bytes for cache in caches))

    def _made(self, limits: CacheSettings, name: str) -> Cache | None:
        if not limits.keeps:
            return None
        if self._folder is None or limits.disk_bytes == 0:
            return Cache(limits.memory_bytes)
        return Cache(limits.memory_bytes, CacheFile(self._folder / name, limits.disk_bytes))


def key_prefix(resolved: Resolved, request: InferenceRequest) -> bytes:
    """The beginning of the keys of all items of a *request* that fits *resolved*: always of the same length.

    A prefix stands for whatever a vector depends on beside its text. The version stands for the endpoint with its
    settings and keys, so that nobody finds what was made with another's.
    """
    endpoint = resolved.endpoint
    parts = (
        endpoint.version.encode(),
        msgspec.json.encode(
            settings.public(endpoint.options) | settings.secrets(endpoint.options), order="deterministic"
        ),
        (request.input_type or "").encode(),
        b"tokens" if isinstance(request.input, Tokens) else b"text",
    )
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def item_key(prefix: bytes, item: Input) -> bytes:
    """The key of one input: 32 bytes. Surrogates alone, which JSON may hold, are taken."""
    match item:
        case str():
            content = item.encode("utf-8", "surrogatepass")
        case Media(medium, uri):
            content = _MEDIA + f"{medium}:{uri}".encode("utf-8", "surrogatepass")
        case _:
            content = repr(item).encode()
    return hashlib.blake2b(prefix + content, digest_size=_DIGEST_BYTES).digest()


def encoded(embedding: Embedding, *, cut: bool) -> bytes:
    """A dense vector, or the weights of a sparse one, as it is kept; *cut* is whether the input was shortened."""
    text = bytes(embedding) if isinstance(embedding, msgspec.Raw) else msgspec.json.encode(embedding)
    return (_CUT if cut else _WHOLE) + text


def decoded(value: bytes, *, packed: bool = False) -> tuple[Embedding, bool]:
    """The embedding that was `encoded`, and whether its input was shortened.

    A vector is as it came, byte by byte, but that one which may not be *packed* is a list.
    """
    text, is_cut = value[1:], value[:1] == _CUT
    if text.startswith(b"{"):
        return msgspec.json.decode(text, type=dict[str, float]), is_cut
    vector = msgspec.Raw(text)
    return vector if packed else listed(vector), is_cut


def _remove(path: Path) -> None:
    """Remove a cache's files; those that cannot be are tried again at the next start."""
    for companion in _COMPANIONS:
        with contextlib.suppress(OSError):
            path.with_name(path.name + companion).unlink()
