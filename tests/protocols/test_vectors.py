from __future__ import annotations

import base64
import struct
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.vectors import length, numbers, written
from inferpoint.model.vectors import packed as repacked
from inferpoint.protocols.vectors import dense, embeddings, other_lengths, placed, sliced

FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50)


def packed(numbers: list[float]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()))


@pytest.mark.parametrize("text", [b"[1]", b"[0.1,-2E+5,3e-9]", b"[ 1 ,\n\t2 ]"])
def test_a_list_of_numbers_passes_unread(text: bytes) -> None:
    """The text of a vector is handed on byte by byte as it came."""
    raw = msgspec.Raw(text)
    assert dense(raw, of="x") is raw


@given(FLOATS)
def test_base64_is_little_endian_floats(numbers: list[float]) -> None:
    """Packed floats become the numbers that they are, exactly."""
    found = msgspec.json.decode(dense(packed(numbers), of="x"), type=list[float])
    assert array("f", found) == array("f", numbers)


@given(FLOATS)
def test_written_numbers_come_back_exactly(floats: list[float]) -> None:
    """Nine digits bring every 32-bit number back, and a vector's length is known without reading it."""
    raw = written(floats)
    found = msgspec.json.decode(raw, type=list[float])
    assert array("f", found) == array("f", floats)
    assert length(raw) == len(floats)


@given(FLOATS)
def test_base64_passes_unread_where_it_may(floats: list[float]) -> None:
    """Byte by byte, with its length known, its numbers to be read, and equal to what those are packed as."""
    raw = packed(floats)
    assert dense(raw, of="x", packed=True) is raw
    assert length(raw) == len(floats)
    assert array("f", numbers(raw)) == array("f", floats)
    assert repacked(raw) is raw
    assert numbers(repacked(written(floats))) == numbers(raw)


def test_escaped_base64_is_what_it_stands_for() -> None:
    """Some programs write every slash of a JSON text with a backslash."""
    raw = packed([-1.9999999])
    assert b"/" in bytes(raw)
    assert bytes(dense(msgspec.Raw(bytes(raw).replace(b"/", b"\\/")), of="x", packed=True)) == bytes(raw)


@pytest.mark.parametrize(
    ("vectors", "others"),
    [
        ([b"[1,2]", b"[3,4]"], {}),
        ([b"[1,2]", None, b"[3]", b"[4,5,6]"], {2: 1, 3: 3}),
        ([b"[0.123456789,2]", b"[1,2,3]", b"[1,2]"], {}),  # neither the shortest text nor the longest
        ([b"[1]"], {0: 1}),
        ([None], {}),
        ([], {}),
    ],
)
def test_vectors_of_another_length_are_told(vectors: list[bytes | None], others: dict[int, int]) -> None:
    """By how many numbers they hold, wherever the shortest text or the longest gives one away."""
    raw = [None if text is None else msgspec.Raw(text) for text in vectors]
    assert other_lengths(raw, 2) == others


NOT_VECTORS = [
    b"null", b"true", b"1", b"{}", b"[]", b"[ ]", b"[null]", b"[true]", b"[[1]]", b'["1"]', b'[1,"2"]', b"[{}]",
    b'""', b'"!"', b'"AAA="', b'"AAAA"', b'"\\u00e9"', b'"AAAAAA"',
]  # fmt: skip


@pytest.mark.parametrize("may_be_packed", [False, True])
@pytest.mark.parametrize("text", NOT_VECTORS)
def test_anything_else_is_unreadable(text: bytes, may_be_packed: bool) -> None:
    """What is not a list of at least one number, or base64 of one, is not what the provider promised."""
    with pytest.raises(InferenceError, match="Failed to read the x: an embedding is not") as caught:
        dense(msgspec.Raw(text), of="x", packed=may_be_packed)
    assert caught.value.kind is Kind.UNREADABLE


@pytest.mark.parametrize("may_be_packed", [False, True])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_packed_floats_that_json_cannot_write_are_unreadable(number: float, may_be_packed: bool) -> None:
    """A vector with a number that is none does not become an answer that is not JSON."""
    with pytest.raises(InferenceError, match="is not"):
        dense(packed([1.0, number]), of="x", packed=may_be_packed)


@pytest.mark.parametrize("text", [b'"AAA="', b'"!"', b'["1"]'])
def test_what_came_unchecked_is_unreadable_and_no_other_error(text: bytes) -> None:
    """A server's answer is read by whoever asked it."""
    with pytest.raises(InferenceError) as caught:
        numbers(text)
    assert caught.value.kind is Kind.UNREADABLE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_vector_or_unreadable(value: object) -> None:
    """Whatever stands where a vector should, it is a list of numbers in the end or an error."""
    try:
        found = dense(msgspec.Raw(msgspec.json.encode(value)), of="x")
    except InferenceError as error:
        assert error.kind is Kind.UNREADABLE
    else:
        assert msgspec.json.decode(found, type=list[float])


@given(st.permutations(range(8)), st.sampled_from((0, 1, -1, 7, 10**30)))
def test_rows_are_put_in_the_order_of_their_indices(order: list[int], first: int) -> None:
    """The provider's indices say which input a row is of, wherever they begin."""
    rows = [(first + index, f"row {index}") for index in order]
    assert placed(rows, 8) == [f"row {index}" for index in range(8)]


@pytest.mark.parametrize(
    "indices", [[0, 0, 0], [0, 2, 4], [2, 0, 2], [None] * 3, ["a", "b", "c"], [True, False, 2], [1, None, 0], [{}] * 3]
)
def test_indices_that_tell_no_order_are_not_believed(indices: list[object]) -> None:
    """Rows with them are in the order of the inputs, as those without any."""
    assert placed([(index, place) for place, index in enumerate(indices)], 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("indices", "wanted"),
    [
        ([0, 2], [0, None, 2]),
        ([3, 1], [None, 1, None, 3]),
        ([1, 2], [None, 1, 2]),  # a row is missing and not renumbered, for there is a third input
        ([0, 1], [0, 1]),  # the last is missing, or the rest were counted anew: nobody can tell
        ([0, 9], [0, 9]),
        ([], []),
    ],
)
def test_a_gap_in_the_indices_tells_which_row_is_missing(indices: list[int], wanted: list[int | None]) -> None:
    """Only a gap does: no input is ever given the vector of another."""
    assert placed([(index, index) for index in indices], len(wanted) if None in wanted else 3) == wanted


def test_a_row_that_is_no_vector_is_an_error_in_its_place() -> None:
    """The others have their vectors; an answer without any vector cannot be read."""
    rows = [msgspec.Raw(text) for text in (b"[1,2]", b"[null]", b"[]", b'"x"', b"{}")]
    result = embeddings([*rows, None], of="x")
    assert (result.vectors[0], set(result.errors)) == (rows[0], {1, 2, 3, 4, 5})
    with pytest.raises(InferenceError, match="not a list of numbers"):
        embeddings(rows[1:], of="x")


@pytest.mark.parametrize("number", ["1e39", "-1e39", "1e999", "9" * 400])
def test_a_number_that_base64_has_no_place_for_is_unreadable(number: str) -> None:
    """As JSON it passes unread; 32 bits do not hold it."""
    vector = dense(msgspec.Raw(f"[0,{number}]".encode()), of="x")
    with pytest.raises(InferenceError) as caught:
        repacked(vector)
    assert caught.value.kind is Kind.UNREADABLE


@pytest.mark.parametrize("text", [b"[1]", b"[0.1,-2E+5,3e-9]", b"[ 1 ,\n\t2 ]", b" \n[1, 2\n]"])
def test_lists_of_numbers_are_cut_out_of_their_answer(text: bytes) -> None:
    """Vectors come out byte by byte as they are, in whatever way the answer is spaced, and leave 0 in their places."""
    rest, lists = sliced(b'[{"e":%b,"i":1},{"e":%b}]' % (text, text), b'"e":') or (b"", [])
    assert (rest, [bytes(one) for one in lists]) == (b'[{"e":0,"i":1},{"e":0}]', [text.strip()] * 2)


NOT_CUT = list(NOT_VECTORS)
NOT_CUT += [b"[NaN]", b"[1,-Infinity]", b"[false]", b"[,1]", b"[1,]", b"[1, ]", b"[1", b"", b'"]"']


@pytest.mark.parametrize("text", NOT_CUT)
@pytest.mark.parametrize("first", [True, False])
def test_anything_else_is_left_to_who_reads_the_answer_whole(text: bytes, first: bool) -> None:
    """One text between the brackets that is no number, and nothing is cut out: the fault is then found where it is."""
    rows = [text, b"[1]"] if first else [b"[1]", text]
    assert sliced(b'[{"e":%b},{"e":%b}]' % (rows[0], rows[1]), b'"e":') is None


@pytest.mark.parametrize("text", [b"[1,,2]", b"[-]", b"[1.2.3]", b"[1 2]"])
def test_the_syntax_of_numbers_is_read_in_the_first_list(text: bytes) -> None:
    """A program that writes numbers wrongly does so from the first on, so that no other is read."""
    assert sliced(b'{"e":%b}' % text, b'"e":') is None
