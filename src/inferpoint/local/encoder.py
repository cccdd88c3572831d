"""One loaded model: texts to word pieces, word pieces to numbers; many threads may use it at once."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.extras import extra
from inferpoint.model.endpoint import TaskType


@dataclass(frozen=True)
class Pieces:
    """A text's word pieces, those that mark its ends among them, cut to what the model takes; `count` is uncut.

    Of a pair, the pieces from `second` on are the second text's.
    """

    ids: array[int]
    count: int
    second: int | None = None

    @property
    def cut(self) -> bool:
        """Whether the model sees less than the whole text."""
        return self.count > len(self.ids)


@dataclass(frozen=True)
class Encoder:
    """A tokenizer and a session of onnxruntime; `task` is what the model is for."""

    tokenizer: Any
    session: Any
    max_tokens: int
    task: TaskType = TaskType.TEXT_EMBEDDING

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """The word pieces of each text; what is cut loses its tail but keeps its end mark."""
        return [self._fitted(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pieces]:
        """The word pieces of the *query* and each text; what is cut is the text's tail."""
        encodings = self.tokenizer.encode_batch_fast([(query, text) for text in texts])
        paired = [(encoding.ids, encoding.type_ids.index(1)) for encoding in encodings]
        if paired and paired[0][1] + 2 > self.max_tokens:  # a piece of the text and its end mark
            raise invalid(f"The query has {paired[0][1]} word pieces, and the model takes {self.max_tokens} of a pair")
        return [replace(self._fitted(ids), second=second) for ids, second in paired]

    def vectors(self, batch: Sequence[Pieces]) -> list[bytes]:
        """The vector of each text as a JSON array, whose nine significant digits say a 32-bit number exactly."""
        vectors = self.numbers(batch)
        form = b"[" + b",".join([b"%.9g"] * vectors.shape[1]) + b"]"
        return [form % tuple(vector.tolist()) for vector in vectors]

    def weights(self, batch: Sequence[Pieces]) -> list[bytes]:
        """The word pieces that stand for each text, the heaviest first, as a JSON object of their weights."""
        return [self._weights(row) for row in self.numbers(batch)]

    def scores(self, batch: Sequence[Pieces]) -> list[bytes]:
        """How well the second text of each pair answers the first, as a JSON number, higher for better."""
        return [b"%.9g" % score for (score,) in self.numbers(batch).tolist()]

    def numbers(self, batch: Sequence[Pieces]) -> Any:
        """The numbers of each text or pair, as numpy has them."""
        numpy = extra("numpy", of="local")
        lengths = [len(pieces.ids) for pieces in batch]
        ids = numpy.zeros((len(batch), max(lengths)), dtype=numpy.int64)
        for row, pieces in zip(ids, batch, strict=True):
            row[: len(pieces.ids)] = pieces.ids
        mask = (numpy.arange(max(lengths)) < numpy.array(lengths)[:, None]).astype(numpy.int64)
        inputs = {"input_ids": ids, "attention_mask": mask}
        seconds = [pieces.second for pieces in batch if pieces.second is not None]
        if seconds:
            begins = numpy.array(seconds)[:, None]
            inputs["token_type_ids"] = (numpy.arange(max(lengths)) >= begins).astype(numpy.int64) * mask
        try:
            (numbers,) = self.session.run(None, inputs)
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common class
            raise InferenceError(Kind.INTERNAL, f"The model failed: {error}") from None
        if not numpy.isfinite(numbers).all():
            raise InferenceError(Kind.INTERNAL, "The model failed: a vector holds something that is not a number")
        return numbers

    @cached_property
    def _names(self) -> list[bytes]:
        """The word pieces as JSON; a field of Elasticsearch cannot have a dot, so it has `__` as ELSER's."""
        count = self.tokenizer.get_vocab_size()
        names = [str(self.tokenizer.id_to_token(number) or "") for number in range(count)]
        return [msgspec.json.encode(name.replace(".", "__")) for name in names]

    def _weights(self, row: Any) -> bytes:
        places = row.nonzero()[0].tolist()
        weighed = sorted(zip(row[places].tolist(), places, strict=True), key=lambda pair: (-pair[0], pair[1]))
        names = self._names
        return b"{" + b",".join(b"%b:%.9g" % (names[place], weight) for weight, place in weighed) + b"}"

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
