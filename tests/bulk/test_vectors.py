from __future__ import annotations

import base64
import json

import msgspec
import numpy as np
import pytest

from inferpoint.bulk import vectors

random = np.random.default_rng(16)
OF_ANY_BITS = random.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
FLOATS = {
    "usual": random.standard_normal(2_000).astype(np.float32) / 20,
    "of any bits": OF_ANY_BITS[np.isfinite(OF_ANY_BITS)],
    "small": random.standard_normal(2_000).astype(np.float32) * np.float32(1e-6),
    "whole": random.integers(-100_000, 100_000, 2_000).astype(np.float32),
    "at the edges": np.array([0, -0.0, 1, 10, 0.1, 1e-45, 3.4e38, 16_777_216, 1e10, 1e-10], np.float32),
}


def packed(numbers: np.ndarray) -> msgspec.Raw:
    return msgspec.Raw(b'"' + base64.b64encode(numbers.astype("<f4").tobytes()) + b'"')


@pytest.mark.parametrize("floats", FLOATS.values(), ids=FLOATS)
def test_base64_becomes_the_shortest_decimals(floats: np.ndarray) -> None:
    """A float is written with the fewest digits that bring it back, as numpy itself writes it."""
    (written,) = vectors.as_json([packed(floats)])
    assert json.loads(bytes(written)) == [float(str(number)) for number in floats]


def test_numbers_stay_as_they_were_written() -> None:
    """JSON keeps its digits, also those that 32 bits would lose, and is one line whatever the provider sent."""
    lines = vectors.as_json(
        [msgspec.Raw(b"[0.12345678901234567,\n  1e-9, -3]"), packed(np.array([0.5])), msgspec.Raw(b"[]")]
    )
    assert [bytes(line) for line in lines] == [b"[0.12345678901234567,1e-9,-3]", b"[0.5]", b"[]"]


def test_both_forms_make_one_matrix() -> None:
    """A matrix has a row for each vector, whichever way it came, and says how long each is."""
    floats = random.standard_normal((200, 7)).astype(np.float32)
    mixed = [
        packed(row) if place % 2 else msgspec.Raw(json.dumps(row.tolist()).encode()) for place, row in enumerate(floats)
    ]
    assert {vectors.length(vector) for vector in mixed} == {7}
    assert (vectors.matrix(mixed, 7) == floats).all()
    assert [vectors.length(vector) for vector in (msgspec.Raw(b"[]"), msgspec.Raw(b'""'), msgspec.Raw(b"[ 1 ]"))] == [
        0,
        0,
        1,
    ]
