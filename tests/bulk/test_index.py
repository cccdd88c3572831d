from __future__ import annotations

import base64
import sys
from collections.abc import Iterator

import pytest
from fake_elasticsearch import FakeElasticsearch
from reading import read

from inferpoint.bulk.sources.opening import opened
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.errors import InferenceError, Kind

FIELDS = Fields("doc.text", keep=("lang",))


@pytest.fixture
def cluster() -> Iterator[FakeElasticsearch]:
    """Two indices, one of two shards, with gaps among the numbers of what was changed."""
    with FakeElasticsearch({"books": 2, "books-old": 1, "other": 1}) as running:
        for number in range(20):
            index, shard = ("books", number % 2) if number < 14 else ("books-old", 0)
            source = {"doc": {"text": f"text {number}"}, "lang": "en", "vector": [1]}
            running.put(index, shard, f"d{number}", source)
        running.delete("books", 0, "d4")
        running.put("books", 1, "d5", {"doc.text": "text 5 anew", "lang": "en"})
        yield running


BOOKS_0 = [Item(f"text {number}", f"d{number}", {"lang": "en"}) for number in (0, 2, 6, 8, 10, 12)]
BOOKS_1 = [Item(f"text {number}", f"d{number}", {"lang": "en"}) for number in (1, 3, 7, 9, 11, 13)]
BOOKS_1 += [Item("text 5 anew", "d5", {"lang": "en"})]
OLD = [Item(f"text {number}", f"d{number}", {"lang": "en"}) for number in range(14, 20)]


@pytest.mark.parametrize("most", [3, 2048])
def test_every_document_is_an_item(cluster: FakeElasticsearch, most: int) -> None:
    """Of every shard, of all indices of a pattern; its id is that of the index, unless a field is named."""
    assert read(f"http://{cluster.host}/books", FIELDS, most) == BOOKS_0 + BOOKS_1
    assert read(f"http://{cluster.host}/books*", FIELDS, most) == OLD + BOOKS_0 + BOOKS_1
    by_field = Fields("doc.text", "lang")
    assert {item.id for item in read(f"http://{cluster.host}/books", by_field, most)} == {"en"}


def test_only_what_is_needed_is_asked_for(cluster: FakeElasticsearch) -> None:
    """Planning reads no documents, and reading none of the other fields."""
    source = opened(f"http://{cluster.host}/books", FIELDS)
    spans = list(source.spans(2048))
    assert [body["_source"] for path, body in cluster.asked if "_search" in path] == [False] * 4
    cluster.asked.clear()
    assert list(source.read(spans[0], skip=2)) == BOOKS_0[2:]
    assert [body["_source"] for _, body in cluster.asked] == [{"includes": ["doc.text", "lang", "_id"]}]
    assert [span.items for span in spans] == [6, 7]
    assert [span.object for span in spans] == ["books/0000", "books/0001"]
    source.close()


def test_a_change_of_an_index_changes_its_fingerprint(cluster: FakeElasticsearch) -> None:
    """Of the shard in which it was made, also when the number of documents is as before."""
    source = opened(f"http://{cluster.host}/books", FIELDS)
    before = source.fingerprints()
    assert before == source.fingerprints()
    cluster.put("books", 1, "d5", {"doc.text": "once more"})
    after = source.fingerprints()
    assert [name for name in before if before[name] != after[name]] == ["books/0001"]


def test_documents_that_are_gone_are_told_after_those_that_are_there(cluster: FakeElasticsearch) -> None:
    """Those that are there keep their ids."""
    source = opened(f"http://{cluster.host}/books", FIELDS)
    span, _ = source.spans(2048)
    cluster.delete("books", 0, "d6")
    items: list[Item] = []
    with pytest.raises(InferenceError, match=r"\[books/0000\] has 5 items where 6 were planned") as raised:
        items.extend(source.read(span))
    assert raised.value.kind is Kind.UNREADABLE
    reading = source.read(span)
    assert [next(reading).id for _ in range(5)] == ["d0", "d2", "d8", "d10", "d12"]


def test_documents_that_nobody_saw_when_it_was_planned_stop_a_job(cluster: FakeElasticsearch) -> None:
    """Which of them were planned cannot be told."""
    cluster.put("books", 0, "new", {"doc.text": "x"}, seen=False)
    cluster.put("books", 0, "newer", {"doc.text": "y", "lang": ""})
    source = opened(f"http://{cluster.host}/books", FIELDS)
    span, _ = source.spans(2048)
    assert span.items == 7
    cluster.refresh()
    with pytest.raises(InferenceError, match=r"\[books/0000\] has changed") as raised:
        list(source.read(span))
    assert raised.value.kind is Kind.CONFLICT


def test_credentials_are_sent(cluster: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's, or a key; both by reference."""
    monkeypatch.setenv("SECRET", "hunter/2")
    opened(f"http://elastic:${{SECRET}}@{cluster.host}/books", FIELDS).fingerprints()
    assert cluster.authorization == {f"Basic {base64.b64encode(b'elastic:hunter/2').decode()}"}
    cluster.authorization.clear()
    opened(f"http://{cluster.host}/books?api_key=${{SECRET}}", FIELDS).fingerprints()
    assert cluster.authorization == {"ApiKey hunter/2"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Kind.UNAUTHENTICATED), (403, Kind.FORBIDDEN), (404, Kind.NOT_FOUND), (500, Kind.INTERNAL)],
)
def test_what_the_cluster_refuses_is_told(
    cluster: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch, status: int, kind: Kind
) -> None:
    """In its words, without the password."""
    monkeypatch.setenv("SECRET", "hunter2")
    cluster.failing = [status]
    with pytest.raises(InferenceError, match=r"^\[books\]: .*as told") as raised:
        opened(f"http://elastic:${{SECRET}}@{cluster.host}/books", FIELDS).fingerprints()
    assert raised.value.kind is kind
    assert "hunter2" not in repr(raised.value)


def test_a_cluster_that_is_busy_is_asked_again(cluster: FakeElasticsearch) -> None:
    """What is refused only for now is no error."""
    cluster.failing = [429, 503]
    assert opened(f"http://{cluster.host}/books", FIELDS).fingerprints()


def test_a_cluster_that_is_not_there_is_told() -> None:
    """As a connection that failed, which may go well another time."""
    with pytest.raises(InferenceError, match=r"^\[books\]: ") as raised:
        opened("http://127.0.0.1:1/books", FIELDS).fingerprints()
    assert raised.value.kind is Kind.CUT_OFF


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://host:9200/", "must be a host and the name of one index"),
        ("http://host:9200/a/b", "must be a host and the name of one index"),
        ("http:///a", "must be a host and the name of one index"),
        ("http://host:9200/a?format=csv", r"has a parameter \[format\], which is not known; known is \[api_key\]"),
        ("http://host:9200/a?api_key=written", r"^The api_key must not be written into an address"),
    ],
)
def test_what_is_no_index_is_told(address: str, problem: str) -> None:
    """With what is one."""
    with pytest.raises(InferenceError, match=problem):
        opened(address, FIELDS)


def test_without_the_client_an_index_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is one of its own."""
    monkeypatch.setitem(sys.modules, "elasticsearch", None)
    with pytest.raises(InferenceError, match=r"pip install 'inferpoint\[elasticsearch\]'"):
        opened("http://host:9200/index", FIELDS)
