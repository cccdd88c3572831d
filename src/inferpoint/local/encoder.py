"""One loaded model: texts to word pieces, word pieces to vectors; many threads may use it at once."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.extras import extra


@dataclass(frozen=True)
class Pieces:
    """A text's word pieces, the two that mark its ends among them, cut to what the model takes; `count` is uncut."""

    ids: array[int]
    count: int

    @property
    def cut(self) -> bool:
        """Whether the model sees less than the whole text."""
        return self.count > len(self.ids)


@dataclass(frozen=True)
class Encoder:
    """A tokenizer and a session of onnxruntime."""

    tokenizer: Any
    session: Any
    max_tokens: int

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """The word pieces of each text; what is cut loses its tail but keeps its end mark."""
        return [self._fitted(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def vectors(self, batch: Sequence[Pieces]) -> list[bytes]:
        """The vector of each text as a JSON array, whose nine significant digits say a 32-bit number exactly."""
        numpy = extra("numpy", of="local")
        lengths = [len(pieces.ids) for pieces in batch]
        ids = numpy.zeros((len(batch), max(lengths)), dtype=numpy.int64)
        for row, pieces in zip(ids, batch, strict=True):
            row[: len(pieces.ids)] = pieces.ids
        mask = (numpy.arange(max(lengths)) < numpy.array(lengths)[:, None]).astype(numpy.int64)
        try:
            (vectors,) = self.session.run(None, {"input_ids": ids, "attention_mask": mask})
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common class
            raise InferenceError(Kind.INTERNAL, f"The model failed: {error}") from None
        if not numpy.isfinite(vectors).all():
            raise InferenceError(Kind.INTERNAL, "The model failed: a vector holds something that is not a number")
        form = b"[" + b",".join([b"%.9g"] * vectors.shape[1]) + b"]"
        return [form % tuple(vector.tolist()) for vector in vectors]

    def _fitted(self, ids: list[int]) -> Pieces:
        kept = ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]]
        return Pieces(array("q", kept), len(ids))


def load(folder: Path, max_tokens: int, num_threads: int) -> Encoder:
    """The model whose `model.onnx` and `tokenizer.json` are in *folder*."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # from its import on, onnxruntime would report to Microsoft
    onnxruntime, tokenizers = extra("onnxruntime", of="local"), extra("tokenizers", of="local")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the processor alone
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - neither library's errors have a common class
        raise invalid(f"The model in [{folder.name}] cannot be loaded: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Encoder(tokenizer, session, max_tokens)
