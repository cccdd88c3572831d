"""The sink of an address: its kind is told by the scheme of a URL, or by how the name of a file ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from inferpoint.bulk import clusters, objects, postgres
from inferpoint.bulk.addresses import Address, address
from inferpoint.bulk.sinks import qdrant
from inferpoint.bulk.sinks.elasticsearch import ElasticsearchSink
from inferpoint.bulk.sinks.elasticsearch_forms import Rows, Semantic
from inferpoint.bulk.sinks.elasticsearch_sending import Sending
from inferpoint.bulk.sinks.files import FolderSink, Format
from inferpoint.bulk.sinks.jsonl import JsonLines
from inferpoint.bulk.sinks.lancedb import LanceSink
from inferpoint.bulk.sinks.one_file import OneFileSink
from inferpoint.bulk.sinks.parquet import Parquet
from inferpoint.bulk.sinks.pgvector import PgvectorSink
from inferpoint.bulk.sinks.sink import Sink
from inferpoint.errors import invalid

_OWN = frozenset({"id", "document", "text", "chunk", "start", "end", "embedding", "weights", "completion"})
_LANCE = ("lancedb", *(f"lancedb+{scheme}" for scheme in objects.REMOTE))
_FORMATS: Mapping[str, Callable[[bool, tuple[str, ...]], Format]] = {
    ".parquet": lambda chunked, kept: Parquet(chunked=chunked, kept=kept),
    ".jsonl": lambda chunked, _: JsonLines(chunked=chunked, compressed=False),
    ".jsonl.gz": lambda chunked, _: JsonLines(chunked=chunked, compressed=True),
}


def opened(written: str, chunked: bool, kept: tuple[str, ...], job: str) -> Sink:  # noqa: FBT001
    """The sink at the address *written*, for rows of chunks when *chunked*, with the fields *kept*.

    Files belong to the *job* that they are of. `INVALID` says what is wrong with the address, `UNSUPPORTED` which
    extra is not installed; neither has a secret in it.
    """
    if taken := [name for name in kept if name in _OWN]:
        raise invalid(*(f"A field [{name}] cannot be kept: a sink has one of its own of that name" for name in taken))
    where = address(written)
    if where.scheme in ("", "file", *objects.REMOTE):
        return _of_files(where, job, chunked=chunked, kept=kept)
    if where.scheme in ("http", "https"):
        return _of_cluster(where, chunked=chunked)
    if where.scheme in ("postgresql", "postgres"):
        where.only("table", *postgres.PARAMETERS)
        return PgvectorSink(postgres.Connections(where), _named(where, "table"), chunked=chunked, kept=bool(kept))
    if where.scheme in _LANCE:
        where.only("table")
        return LanceSink(where, _named(where, "table"), chunked=chunked, kept=bool(kept))
    if where.scheme in qdrant.SCHEMES:
        where.only("collection", "api_key")
        return qdrant.QdrantSink(where, chunked=chunked)
    raise invalid(f"[{written}] is no sink")


def _of_files(where: Address, job: str, *, chunked: bool, kept: tuple[str, ...]) -> Sink:
    """Parts in the folder of a path that ends with `/`; else one file, whose parts are in a hidden folder beside it."""
    where.only("format")
    folder, slash, name = where.path.rpartition("/")
    endings = [suffix for suffix in _FORMATS if where.path.endswith(suffix)]
    ending = f".{where.query['format']}" if "format" in where.query else next(iter(endings), "" if name else ".parquet")
    if ending not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise invalid(f"[{where.written}] has no format: have it end with one of {known}, or with / for a folder")
    form = _FORMATS[ending](chunked, kept)
    if not name:
        return FolderSink(where.written, objects.at(where), form, job)
    beside = objects.at(replace(where, path=folder or slash or "."))
    parts = objects.at(replace(where, path=f"{folder}{slash}.{name}.parts"))
    return OneFileSink(where.written, beside, name, parts, form, job)


def _of_cluster(where: Address, *, chunked: bool) -> Sink:
    """With `field`, the field of the vectors; or with `semantic`, the field of the type `semantic_text`."""
    where.only("field", "semantic", "inference_id", *clusters.PARAMETERS)
    form = Rows(where.query.get("field"), chunked=chunked)
    if semantic := where.query.get("semantic"):
        form = Semantic(semantic, where.query.get("inference_id"), chunked=chunked)
    client, index = clusters.connected(where)
    return ElasticsearchSink(client, index, form, Sending(client, index), chunked=chunked)


def _named(where: Address, parameter: str) -> str:
    if name := where.query.get(parameter):
        return name
    raise invalid(f"[{where.written}] must name a {parameter}: add ?{parameter}=documents")
