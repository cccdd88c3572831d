"""Qdrant, in its client's own local mode."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sinks_promised import SPACE, Place, Promises, numbers, row

from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.opening import opened
from inferpoint.bulk.sinks.sink import Part, Row, Sink
from inferpoint.errors import InferenceError, Kind

qdrant = pytest.importorskip("qdrant_client", reason="`make test` installs Qdrant's client in .venvs/bulk")


class Collection(Place):
    """A folder, which one client has open at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"qdrant://{folder}?collection=documents"

    def sink(self, *, chunked: bool = False, kept: tuple[str, ...] = (), job: str = "job") -> Sink:
        self.close()
        return super().sink(chunked=chunked, kept=kept, job=job)

    def rows(self) -> list[dict[str, Any]]:
        """Vectors with a length of 1 have become the ones that they were, if they are their texts'."""
        points, _ = self._sinks[-1]._client.scroll("documents", limit=10_000, with_vectors=True)  # type: ignore[attr-defined]
        return [{**point.payload, "embedding": unscaled(point.payload["text"], point.vector)} for point in points]


def unscaled(text: str, vector: Sequence[float]) -> list[float]:
    own = np.array(numbers(text))
    return [*own] if np.allclose(vector, own / np.linalg.norm(own), atol=1e-6) else [*vector]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Collection]:
    place = Collection(tmp_path / "qdrant")
    yield place
    place.close()


class TestCollection(Promises):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Collection(tmp_path / "qdrant")


def test_the_nearest_text_is_found(place: Collection) -> None:
    """By Qdrant itself, with what is in its payload."""
    sink = place.sink(kept=("title",))
    sink.open(SPACE)
    sink.write(Part(0, 0, 1), [row(name, title=f"Title {name}") for name in "abcdef"])
    (point,) = sink._client.query_points("documents", query=numbers("text of d"), limit=1).points  # type: ignore[attr-defined]
    assert point.payload == {"title": "Title d", "id": "d", "document": "d", "text": "text of d"}


def test_vectors_of_other_distances_stay_as_they_are(place: Collection) -> None:
    """Only the cosine scales them; signed bytes are numbers as any other."""
    sink = place.sink()
    sink.open(Space("m", 3, "dot_product", "byte"))
    sink.write(Part(0, 0, 1), [Row("a", "a", "t", msgspec.Raw(b"[1,-128,127]"))])
    (point,), _ = sink._client.scroll("documents", with_vectors=True)  # type: ignore[attr-defined]
    assert point.vector == [1, -128, 127]


@pytest.mark.parametrize(
    "space",
    [
        Space("m", 64, None, "bit"),
        Space("m", None, None, "weights"),
        Space("m", None, None, "text"),
        Space("m", None, None),
    ],
)
def test_what_a_collection_cannot_hold_is_told(place: Collection, space: Space) -> None:
    """Before anything is written."""
    with pytest.raises(InferenceError, match="Qdrant holds vectors of numbers") as raised:
        place.sink().open(space)
    assert raised.value.kind is Kind.INVALID


def test_a_collection_that_is_there_is_filled(place: Collection) -> None:
    """When its vectors are of the same length and distance; what it tells of itself stays."""
    models = qdrant.models
    client = qdrant.QdrantClient(path=str(place.folder))
    for name, size in (("documents", 8), ("others", 3)):
        params = models.VectorParams(size=size, distance=models.Distance.COSINE)
        client.create_collection(name, vectors_config=params, metadata={"owner": "me"})
    client.close()
    sink = place.sink()
    sink.open(SPACE)
    told = sink._client.get_collection("documents").config.metadata  # type: ignore[attr-defined]
    assert told == {"owner": "me", "inferpoint": msgspec.to_builtins(SPACE)}
    place.address = place.address.replace("documents", "others")
    with pytest.raises(InferenceError, match="vectors of 3 numbers"):
        place.sink().open(SPACE)


def test_a_server_that_is_gone_is_for_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the key in the words."""
    monkeypatch.setenv("QDRANT_KEY", "s3cret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sink = opened(f"qdrant+https://127.0.0.1:{port}/documents?api_key=${{QDRANT_KEY}}", False, (), "job")
    with pytest.raises(InferenceError, match="cannot be reached") as raised:
        sink.open(SPACE)
    assert raised.value.kind is Kind.CUT_OFF
    assert "s3cret" not in str(raised.value)
    sink.close()


@pytest.mark.parametrize("address", ["qdrant://host", "qdrant:///folder", "qdrant://host/documents?other=1"])
def test_an_address_names_a_collection(address: str) -> None:
    """In one way for a server, and in another for a folder."""
    with pytest.raises(InferenceError) as raised:
        opened(address, False, (), "job")
    assert raised.value.kind is Kind.INVALID
