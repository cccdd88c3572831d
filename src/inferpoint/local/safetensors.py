"""The safetensors format, read with every number in it distrusted.

A file is eight bytes (how long the header is), a JSON header (name to type, shape and place) and the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import msgspec

from inferpoint.errors import invalid

_LENGTH = 8
_BYTES_OF_F32 = 4


@dataclass(frozen=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


@dataclass(frozen=True)
class Tensors:
    """The tensors of one file, by name; what is never asked for is never looked at."""

    header: Mapping[str, msgspec.Raw]
    numbers: memoryview

    def __contains__(self, name: str) -> bool:
        return name in self.header

    def float32(self, name: str, shape: tuple[int, ...]) -> memoryview:
        """The little-endian bytes of the tensor *name*, which must have this *shape*."""
        if name not in self.header:
            raise invalid(f"The weights have no tensor [{name}]")
        try:
            entry = msgspec.json.decode(self.header[name], type=_Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid(f"The weights' header is damaged at [{name}]: {error}") from None
        if entry.dtype != "F32":
            raise invalid(f"The tensor [{name}] is of type [{entry.dtype}]; only [F32] is supported")
        if entry.shape != shape:
            raise invalid(f"The tensor [{name}] has the shape {list(entry.shape)} where {list(shape)} is expected")
        begin, end = entry.data_offsets
        if not 0 <= begin <= end <= len(self.numbers) or end - begin != _BYTES_OF_F32 * prod(shape):
            raise invalid(f"The weights are cut short or damaged: the place of [{name}] is not within the file")
        return self.numbers[begin:end]


def read(data: bytes) -> Tensors:
    """The tensors in the bytes of a safetensors file."""
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH or start > len(data):
        raise invalid("The weights are not a safetensors file: it is shorter than its header says")
    try:
        header = msgspec.json.decode(data[_LENGTH:start], type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The weights are not a safetensors file: its header is not JSON: {error}") from None
    return Tensors(header, memoryview(data)[start:])
