"""Elasticsearch by the official client: who is asked by an address, and its errors in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any, cast

import msgspec

from inferpoint.bulk.addresses import Address
from inferpoint.errors import InferenceError, Kind, Upstream, invalid, kind_of_status
from inferpoint.extras import extra

_PORTS = {"http": 9200, "https": 443}
PARAMETERS = ("api_key", "ca_certs")


def connected(place: Address) -> tuple[Any, str]:
    """A client of the cluster, and the index, of `http://host:9200/name` or `https://user:${PASSWORD}@host/name`.

    Parameters are `api_key`, and `ca_certs` for a file of certificates that are trusted.
    """
    name = place.path.strip("/")
    if not name or "/" in name or not place.host:
        raise invalid(f"[{place.written}] must be a host and the name of one index: https://host:9200/index")
    port = "" if place.host.rpartition(":")[2].isdigit() else f":{_PORTS[place.scheme]}"
    options: dict[str, Any] = {name: place.query[name] for name in PARAMETERS if name in place.query}
    if place.user:
        options["basic_auth"] = (place.user, place.password or "")
    client = extra("elasticsearch", of="elasticsearch").Elasticsearch(
        f"{place.scheme}://{place.host}{port}",
        request_timeout=60,
        max_retries=5,
        retry_on_timeout=True,
        retry_on_status=(429, 502, 503, 504),
        **options,
    )
    return client, name


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
