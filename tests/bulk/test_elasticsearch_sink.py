from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from fake_index import Cluster, served
from sinks_promised import SPACE, Place, Promises, as_floats, chunks, done, numbers, row, texts_of, vector

from inferpoint.bulk import clusters
from inferpoint.bulk.addresses import address
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.elasticsearch import ElasticsearchSink
from inferpoint.bulk.sinks.elasticsearch_forms import Rows
from inferpoint.bulk.sinks.elasticsearch_sending import Sending
from inferpoint.bulk.sinks.opening import opened
from inferpoint.bulk.sinks.sink import Part, Row
from inferpoint.errors import InferenceError, Kind


class Index(Place):
    def __init__(self, cluster: Cluster, host: str, query: str = "") -> None:
        self.cluster = cluster
        self.address = f"http://{host}/documents{query}"

    def rows(self) -> list[dict[str, Any]]:
        return [{"id": own_id, **members} for own_id, members in self.cluster.documents["documents"].items()]


class SemanticIndex(Index):
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for own_id, members in self.cluster.documents["documents"].items():
            whole = members["content"].encode("utf-16-le")
            pieces = members["_inference_fields"]["content"]["inference"]["chunks"]["content"]
            for number, piece in enumerate(pieces):
                text = whole[2 * piece["start_offset"] : 2 * piece["end_offset"]].decode("utf-16-le")
                named = own_id if self.whole else f"{own_id}#{number}"
                own = {"id": named, "document": own_id, "chunk": number, "text": text, "embedding": piece["embeddings"]}
                rows.append({**members, **own})
        return rows

    @property
    def whole(self) -> bool:
        return not self.cluster.mappings["documents"]["_meta"]["inferpoint"]["chunked"]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def host(cluster: Cluster) -> Iterator[str]:
    with served(cluster) as host:
        yield host


class TestRows(Promises):
    @pytest.fixture
    def place(self, cluster: Cluster, host: str) -> Place:
        return Index(cluster, host)


class TestSemantic(Promises):
    @pytest.fixture
    def place(self, cluster: Cluster, host: str) -> Place:
        return SemanticIndex(cluster, host, "?semantic=content&inference_id=minilm")


def sink_of(host: str, paused: list[float], *, chunked: bool = False) -> ElasticsearchSink:
    """A sink that does not wait, but says how long it would."""
    client, index = clusters.connected(address(f"http://{host}/documents"))
    sending = Sending(client, index, paused.append)
    return ElasticsearchSink(client, index, Rows(None, chunked=chunked), sending, chunked=chunked)


def test_what_a_node_has_no_room_for_is_sent_again(cluster: Cluster, host: str) -> None:
    """Those documents alone, after pauses that grow; the others are not sent twice."""
    paused: list[float] = []
    sink = sink_of(host, paused)
    sink.open(SPACE)
    cluster.busy = {"b": 3, "d": 1}
    rows = [row(name) for name in "abcde"]
    assert sink.write(Part(0, 0, 1), rows).rows == 5
    assert [*cluster.documents["documents"]] == ["a", "c", "e", "d", "b"]
    assert paused == sorted(paused)
    assert len(paused) == 3
    assert len([path for _, path, _ in cluster.asked if path.endswith("_bulk")]) == 4


def test_a_cluster_without_room_is_for_another_time(cluster: Cluster, host: str) -> None:
    """When it has none for long the part is to be written again, and nothing of it is a failure of an item."""
    sink = sink_of(host, [])
    sink.open(SPACE)
    cluster.busy = {"b": 1000}
    with pytest.raises(InferenceError, match="again") as raised:
        sink.write(Part(0, 0, 1), [row("a"), row("b")])
    assert raised.value.kind is Kind.OVERLOADED
    cluster.busy = {}
    assert sink.write(Part(0, 0, 2), [row("a"), row("b")]).rows == 2


def test_what_the_cluster_forbids_is_no_fault_of_an_item(cluster: Cluster, host: str) -> None:
    """An index that is read-only, for a disk is full, refuses every document: the part is to be written again."""
    sink = sink_of(host, [])
    sink.open(SPACE)
    cluster.blocked = "index [documents] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"
    with pytest.raises(InferenceError, match="read-only"):
        sink.write(Part(0, 0, 1), [row("a")])


def test_a_cluster_that_is_gone_is_for_another_time(cluster: Cluster, host: str) -> None:
    """A part that cannot be sent is to be written again."""
    sink = sink_of(host, [])
    sink.open(SPACE)
    cluster.gone = True
    with pytest.raises(InferenceError, match="cannot be reached") as raised:
        sink.write(Part(0, 0, 1), [row("a")])
    assert raised.value.kind is Kind.CUT_OFF
    cluster.gone = False
    assert sink.write(Part(0, 0, 1), [row("a")]).rows == 1


def test_a_mapping_error_is_a_failure_of_its_item(cluster: Cluster, host: str) -> None:
    """In Elasticsearch's words; the other documents are there."""
    sink = sink_of(host, [])
    sink.open(Space("m", None, "cosine"))
    cluster.mappings["documents"]["properties"]["embedding"]["dims"] = 8
    cluster.mappings["documents"]["properties"]["year"] = {"type": "integer"}
    zero = Row("zero", "zero", "t", msgspec.Raw(b"[0,0,0,0,0,0,0,0]"))
    receipt = sink.write(Part(0, 0, 1), [row("a"), zero, row("b", year="old"), row("c", year=1999), row("x" * 513)])
    assert receipt.rows == 2
    assert {name[:5]: words for name, words in receipt.rejected.items()} == {
        "zero": "document_parsing_exception: vectors with zero magnitude",
        "b": "document_parsing_exception: failed to parse field [year]",
        "xxxxx": "An id of Elasticsearch has 1 to 512 bytes",
    }
    assert [*cluster.documents["documents"]] == ["a", "c"]


def test_of_an_item_that_is_rejected_nothing_is_there(cluster: Cluster, host: str) -> None:
    """None of its chunks, whichever of them was refused, and none of those from before."""
    sink = sink_of(host, [], chunked=True)
    sink.open(SPACE)
    sink.write(Part(0, 0, 1), [*chunks("first", 5), *chunks("last", 5), *chunks("good", 2)])
    zero = msgspec.Raw(b"[0,0,0,0,0,0,0,0]")
    rows = [
        msgspec.structs.replace(one, value=zero) if one.id in ("first#0", "last#2") else one
        for document in ("first", "last", "good")
        for one in chunks(document, 3)
    ]
    receipt = sink.write(Part(0, 0, 2), rows)
    assert (receipt.rows, sorted(receipt.rejected)) == (3, ["first", "last"])
    assert done(Index(cluster, host), sink, [receipt]) == texts_of(*chunks("good", 3))


def test_a_request_holds_a_few_megabytes(cluster: Cluster, host: str) -> None:
    """Documents are sent in several requests, of which none is larger than eight megabytes unless one document is."""
    sink = sink_of(host, [])
    sink.open(SPACE)
    rows = [row(str(number), "x" * 1_500_000) for number in range(12)] + [row("large", "y" * 9_000_000)]
    assert sink.write(Part(0, 0, 1), rows).rows == 13
    sizes = [size for _, path, size in cluster.asked if path.endswith("_bulk")]
    assert len(sizes) == 4
    assert [size for size in sizes if size > 8 << 20] == [max(sizes)]


MAPPINGS = {
    Space("m", 8, "dot_product"): {
        "embedding": {"type": "dense_vector", "dims": 8, "similarity": "dot_product", "element_type": "float"}
    },
    Space("m", 64, None, "bit"): {"embedding": {"type": "dense_vector", "dims": 64, "element_type": "bit"}},
    Space("m", None, None, "weights"): {"weights": {"type": "sparse_vector"}},
    Space("m", None, None, "text"): {"completion": {"type": "text"}},
}


@pytest.mark.parametrize(("space", "expected"), MAPPINGS.items(), ids=lambda value: getattr(value, "element", ""))
def test_a_new_index_has_a_mapping(cluster: Cluster, host: str, space: Space, expected: dict[str, Any]) -> None:
    """The field has the type of its values, and the space is beside it."""
    sink = sink_of(host, [])
    sink.open(space)
    values = {"float": vector("x"), "bit": msgspec.Raw(b"[1,2,-3,4,5,6,7,8]"), "weights": {"a.b": 0.5}, "text": "words"}
    assert sink.write(Part(0, 0, 1), [Row("a", "a", "t", values[space.element])]).rows == 1
    mapping = cluster.mappings["documents"]
    assert mapping["properties"] == {"text": {"type": "text"}, **expected}
    assert mapping["_meta"] == {"inferpoint": {**msgspec.to_builtins(space), "chunked": False}}
    (document,) = cluster.documents["documents"].values()
    if space.element == "weights":
        assert document["weights"] == {"a__b": 0.5}


def test_an_index_that_is_there_is_filled(cluster: Cluster, host: str) -> None:
    """Its own fields and what it tells of itself stay, and the vectors go into the field that is named."""
    cluster.mappings["documents"] = {
        "_meta": {"owner": "somebody"},
        "properties": {"text": {"type": "keyword"}, "mine": {"type": "dense_vector", "dims": 8}},
    }
    cluster.documents["documents"] = {}
    sink = opened(f"http://{host}/documents?field=mine", False, (), "job")
    sink.open(SPACE)
    assert sink.write(Part(0, 0, 1), [row("a")]).rows == 1
    assert cluster.mappings["documents"]["properties"] == {
        "text": {"type": "keyword"},
        "mine": {"type": "dense_vector", "dims": 8},
    }
    assert cluster.mappings["documents"]["_meta"]["owner"] == "somebody"
    assert "mine" in cluster.documents["documents"]["a"]


@pytest.mark.parametrize(
    ("query", "chunked", "words"),
    [
        ("?field=text", False, "type of the field .text. is .text., and .dense_vector. is needed"),
        ("?field=small", False, "dims of the field"),
        ("?semantic=text", False, "must be of .semantic_text"),
        ("?semantic=new", False, "inference_id="),
        ("?semantic=semantic&inference_id=other", False, "has the endpoint .minilm"),
    ],
)
def test_an_index_for_something_else_is_refused(
    cluster: Cluster, host: str, query: str, chunked: bool, words: str
) -> None:
    """A field of another type, of other dimensions or of another endpoint is told before anything is written."""
    cluster.mappings["documents"] = {
        "properties": {
            "text": {"type": "text"},
            "small": {"type": "dense_vector", "dims": 3},
            "semantic": {"type": "semantic_text", "inference_id": "minilm"},
        }
    }
    with pytest.raises(InferenceError, match=words) as raised:
        opened(f"http://{host}/documents{query}", chunked, (), "job").open(SPACE)
    assert raised.value.kind is Kind.INVALID


def test_chunks_and_whole_items_are_not_mixed(cluster: Cluster, host: str) -> None:
    """An index holds the ones or the others."""
    opened(f"http://{host}/documents", True, (), "job").open(SPACE)
    with pytest.raises(InferenceError, match="holds chunks of items"):
        opened(f"http://{host}/documents", False, (), "job").open(SPACE)


def test_a_mapping_that_cannot_be_made_is_told(host: str) -> None:
    """In Elasticsearch's words."""
    with pytest.raises(InferenceError, match="dims should be in the range") as raised:
        opened(f"http://{host}/documents", False, (), "job").open(Space("m", 5000, "cosine"))
    assert raised.value.kind is Kind.INVALID


def test_semantic_text_is_given_what_its_own_inference_would_store(cluster: Cluster, host: str) -> None:
    """The whole text, and its chunks by offsets in UTF-16, with the settings of the model."""
    sink = opened(f"http://{host}/documents?semantic=content&inference_id=minilm", True, ("title",), "job")
    sink.open(SPACE)
    rows = [msgspec.structs.replace(one, fields={"title": "A title"}) for one in chunks("a", 2)]
    assert sink.write(Part(0, 0, 1), rows).rows == 2
    (document,) = cluster.documents["documents"].values()
    stored = document["_inference_fields"]["content"]["inference"]["chunks"]["content"]
    first, second = (chunk["embeddings"] for chunk in stored)
    assert [as_floats(first), as_floats(second)] == [numbers(one.text) for one in rows]
    assert document == {
        "title": "A title",
        "content": "a, 🦜 piece 0 of 2. a, 🦜 piece 1 of 2. ",
        "chunks": 2,
        "_inference_fields": {
            "content": {
                "inference": {
                    "inference_id": "minilm",
                    "model_settings": {
                        "task_type": "text_embedding",
                        "dimensions": 8,
                        "similarity": "cosine",
                        "element_type": "float",
                    },
                    "chunks": {
                        "content": [
                            {"start_offset": 0, "end_offset": 20, "embeddings": first},
                            {"start_offset": 17, "end_offset": 40, "embeddings": second},
                        ]
                    },
                }
            }
        },
    }


def test_the_semantic_text_of_sparse_vectors_has_no_dimensions(cluster: Cluster, host: str) -> None:
    """Elasticsearch refuses settings of a sparse model that has any."""
    sink = opened(f"http://{host}/documents?semantic=content&inference_id=elser", False, (), "job")
    sink.open(Space("elser", None, None, "weights"))
    assert sink.write(Part(0, 0, 1), [Row("a", "a", "text", {"te.xt": 1.5})]).rows == 1
    (document,) = cluster.documents["documents"].values()
    assert document["_inference_fields"]["content"]["inference"] == {
        "inference_id": "elser",
        "model_settings": {"task_type": "sparse_embedding"},
        "chunks": {"content": [{"start_offset": 0, "end_offset": 4, "embeddings": {"te__xt": 1.5}}]},
    }


def test_a_key_is_sent_and_never_shown(cluster: Cluster, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a reference to the environment; a key that is written out is refused, without repeating it."""
    monkeypatch.setenv("ES_KEY", "a2V5")
    written = f"http://{host}/documents?api_key=${{ES_KEY}}"
    sink = opened(written, False, (), "job")
    sink.open(SPACE)
    assert {headers["authorization"] for headers in cluster.headers} == {"ApiKey a2V5"}
    with pytest.raises(InferenceError) as raised:
        opened(f"http://{host}/documents?api_key=a2V5", False, (), "job")
    assert "a2V5" not in str(raised.value)


def test_a_request_that_is_refused_for_now_is_sent_again(cluster: Cluster, host: str) -> None:
    """A cluster that answers 503 as a whole is asked again."""
    sink = sink_of(host, [])
    sink.open(SPACE)
    cluster.down = 2
    assert sink.write(Part(0, 0, 1), [row("a")]).rows == 1
    assert [*cluster.documents["documents"]] == ["a"]
