"""Elasticsearch by the official client: who is asked by an address, and its errors in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any, cast

import msgspec

from inferpoint.bulk.addresses import Address
from inferpoint.errors import InferenceError, Kind, Upstream, invalid, kind_of_status
from inferpoint.extras import extra

SCHEMES = {"elasticsearch": "https", "elasticsearch+http": "http"}
PARAMETERS = ("api_key", "ca_certs")


def connected(where: Address) -> tuple[Any, str]:
    """A client of the cluster of `elasticsearch://user:${PASSWORD}@host:9200/index?api_key=${KEY}`, and the index.

    `elasticsearch+http://` is without TLS. With `ca_certs` a file holds the authorities that are trusted.
    """
    index = where.path.strip("/")
    if not where.host or not index or "/" in index:
        raise invalid(f"[{where.written}] must have the form elasticsearch://host:9200/index")
    host, colon, port = where.host.rpartition(":")
    node = f"{SCHEMES[where.scheme]}://{host or port}:{port if colon else 9200}"
    options: dict[str, Any] = {name: where.query[name] for name in PARAMETERS if name in where.query}
    if where.user is not None:
        options["basic_auth"] = (where.user, where.password or "")
    client = extra("elasticsearch", of="elasticsearch").Elasticsearch(
        node, request_timeout=60, max_retries=5, retry_on_timeout=True, retry_on_status=(429, 502, 503, 504), **options
    )
    return client, index


@contextlib.contextmanager
def worded() -> Generator[None]:
    """Errors of the client as ours."""
    client = extra("elasticsearch", of="elasticsearch")
    try:
        yield
    except client.ApiError as error:
        status = error.meta.status
        words = reason(_error(error.body))
        refusal = Upstream(status, words)
        raise InferenceError(kind_of_status(status), f"Elasticsearch: {words}", upstream=refusal) from None
    except (client.TransportError, OSError) as error:
        raise InferenceError(Kind.CUT_OFF, f"Elasticsearch cannot be reached: {error}") from None


class _Error(msgspec.Struct):
    type: str
    reason: str | None = None
    caused_by: _Error | None = None


def reason(error: Any) -> str:
    """The words of an `error` of Elasticsearch's, with those of its causes."""
    try:
        told: _Error | None = msgspec.convert(error, _Error)
    except msgspec.ValidationError:
        return str(error)
    words: list[str] = []
    while told is not None:
        words.append(f"{told.type}: {told.reason}")
        told = told.caused_by
    return ", caused by ".join(words)


def _error(body: Any) -> Any:
    return cast("dict[str, Any]", body).get("error", body) if isinstance(body, dict) else body
