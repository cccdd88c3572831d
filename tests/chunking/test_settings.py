"""Chunking settings are read, checked, completed and shown as the API says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from inferpoint.chunking import chunk, settings
from inferpoint.errors import InferenceError, Subject


def problems_of(given: Any, **bounds: int) -> list[str]:
    problems: list[str] = []
    assert settings.read(given, problems=problems, **bounds) is None
    return problems


def shown(given: Any, **bounds: int) -> dict[str, Any]:
    problems: list[str] = []
    record = settings.read(given, problems=problems, **bounds)
    assert problems == []
    assert record is not None
    return settings.shown(record)


SENTENCES = {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1}
PLAINTEXT = list(settings.SEPARATOR_GROUPS["plaintext"])
MARKDOWN = list(settings.SEPARATOR_GROUPS["markdown"])


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (None, SENTENCES),
        ({}, SENTENCES),
        ({"strategy": None}, SENTENCES),
        ({"strategy": "sentence"}, SENTENCES),
        ({"max_chunk_size": 20}, SENTENCES | {"max_chunk_size": 20}),
        ({"sentence_overlap": 0}, SENTENCES | {"sentence_overlap": 0}),
        ({"strategy": "word"}, {"strategy": "word", "max_chunk_size": 250, "overlap": 100}),
        ({"strategy": "word", "overlap": 0}, {"strategy": "word", "max_chunk_size": 250, "overlap": 0}),
        (
            {"strategy": "word", "max_chunk_size": 10, "overlap": 5},
            {"strategy": "word", "max_chunk_size": 10, "overlap": 5},
        ),
        ({"strategy": "none"}, {"strategy": "none"}),
        ({"strategy": "recursive"}, {"strategy": "recursive", "max_chunk_size": 250, "separators": PLAINTEXT}),
        (
            {"strategy": "recursive", "max_chunk_size": 10, "separator_group": " MarkDown "},
            {"strategy": "recursive", "max_chunk_size": 10, "separators": MARKDOWN},
        ),
        (
            {"strategy": "recursive", "max_chunking_size": 300, "separators": ["", "a|b"]},
            {"strategy": "recursive", "max_chunking_size": 300, "separators": ["", "a|b"]},
        ),
    ],
)
def test_complete(given: Any, answer: dict[str, Any]) -> None:
    """What is not given is filled in, and shown with what is."""
    assert shown(given) == answer


@pytest.mark.parametrize("names", [("max_chunk_size",), ("max_chunking_size",), settings.SIZE_NAMES])
def test_size_answers_under_its_name(names: tuple[str, ...]) -> None:
    """The size is shown under the name, or names, that it came with."""
    given = dict.fromkeys(names, 100)
    assert shown(given) == {"strategy": "sentence", **given, "sentence_overlap": 1}


def test_two_sizes() -> None:
    """Two different sizes under the two names are an error."""
    assert problems_of({"max_chunk_size": 100, "max_chunking_size": 200}) == [
        (
            "[chunking_settings] Invalid value [200]. [max_chunking_size] is another name of [max_chunk_size],"
            " which is [100]"
        )
    ]


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        (
            {"max_chunk_size": 19},
            ["[chunking_settings] Invalid value [19.0]. [max_chunk_size] must be greater than or equal to [20.0]"],
        ),
        (
            {"max_chunking_size": 301},
            ["[chunking_settings] Invalid value [301.0]. [max_chunking_size] must be less than or equal to [300.0]"],
        ),
        (
            {"strategy": "word", "max_chunk_size": 9, "overlap": 4},
            ["[chunking_settings] Invalid value [9.0]. [max_chunk_size] must be greater than or equal to [10.0]"],
        ),
        ({"max_chunk_size": 0}, ["[chunking_settings] Invalid value [0]. [max_chunk_size] must be a positive integer"]),
        (
            {"max_chunk_size": "x"},
            ["field [max_chunk_size] is not of the expected type. The value [x] cannot be converted to a [Integer]"],
        ),
        (
            {"max_chunk_size": True},
            ["field [max_chunk_size] is not of the expected type. The value [true] cannot be converted to a [Integer]"],
        ),
        (
            {"max_chunk_size": 10**30},
            [
                (
                    "field [max_chunk_size] is not of the expected type."
                    f" The value [{10**30}] cannot be converted to a [Integer]"
                )
            ],
        ),
        (
            {"strategy": "word", "max_chunk_size": 20, "overlap": 11},
            ["[chunking_settings] Invalid value [11.0]. [overlap] must be less than or equal to [10.0]"],
        ),
        (
            {"strategy": "word", "max_chunk_size": 199},
            [
                (
                    "[chunking_settings] Invalid value [100.0]. [overlap] must be less than or equal to [99.0];"
                    " it is [100] unless it is given"
                )
            ],
        ),
        (
            {"strategy": "word", "overlap": -1},
            ["[chunking_settings] Invalid value [-1.0]. [overlap] must be greater than or equal to [0.0]"],
        ),
        ({"sentence_overlap": 2}, ["sentence_overlap[2] must be either 0 or 1"]),
        ({"sentence_overlap": -1}, ["sentence_overlap[-1] must be either 0 or 1"]),
        (
            {"overlap": 1, "max_chunk_size": 5},
            [
                "Sentence based chunking settings can not have the following settings: [overlap]",
                "[chunking_settings] Invalid value [5.0]. [max_chunk_size] must be greater than or equal to [20.0]",
            ],
        ),
        (
            {"strategy": "word", "sentence_overlap": 1, "separators": ["a"]},
            ["Word based chunking settings can not have the following settings: [sentence_overlap, separators]"],
        ),
        (
            {"strategy": "recursive", "overlap": 1},
            ["Recursive chunking settings can not have the following settings: [overlap]"],
        ),
        (
            {"strategy": "none", "max_chunk_size": 100},
            ["When chunking is disabled (none), settings can not have the following: [max_chunk_size]"],
        ),
        (
            {"strategy": "recursive", "separators": ["a"], "separator_group": "markdown"},
            ["Recursive chunking settings can not have both separators and separator_set"],
        ),
        (
            {"strategy": "recursive", "separators": []},
            ["Recursive chunking settings can not have an empty list of separators"],
        ),
        (
            {"strategy": "recursive", "separators": ["a"] * 51},
            ["separators list size [51] must not exceed [50]"],
        ),
        (
            {"strategy": "recursive", "separators": ["a", 5]},
            ["field [separators] is not of the expected type. The value [5] cannot be converted to a [String]"],
        ),
        (
            {"strategy": "recursive", "separators": "a"},
            ["field [separators] is not of the expected type. The value [a] cannot be converted to a [List]"],
        ),
        (
            {"strategy": "recursive", "separator_group": "foo"},
            [
                (
                    "[chunking_settings] Invalid value [foo] received."
                    " [separator_group] must be one of [markdown, plaintext]"
                )
            ],
        ),
        ("x", ["field [chunking_settings] is not of the expected type. The value [x] cannot be converted to a [Map]"]),
    ],
)
def test_refuse(given: Any, problems: list[str]) -> None:
    """Every problem is told, in Elasticsearch's words."""
    assert problems_of(given) == problems


def test_server_bound() -> None:
    """The largest size is the server's to set, and the default size never exceeds it."""
    assert problems_of({"max_chunk_size": 101}, largest=100) == [
        "[chunking_settings] Invalid value [101.0]. [max_chunk_size] must be less than or equal to [100.0]"
    ]
    assert shown({"max_chunk_size": 5000}, largest=5000)["max_chunk_size"] == 5000
    assert shown({}, largest=100)["max_chunk_size"] == 100


@pytest.mark.parametrize("strategy", ["Word", "", "sentences", 5, ["word"], {}])
def test_unknown_strategy(strategy: Any) -> None:
    """A strategy that does not exist stands alone as a wrong argument."""
    with pytest.raises(InferenceError, match="Invalid chunkingStrategy ") as caught:
        settings.read({"strategy": strategy}, problems=[])
    assert caught.value.subject is Subject.ARGUMENT


@pytest.mark.parametrize(
    "given",
    [
        {"strategy": "word", "max_chunk_size": 1, "overlap": 0},
        {"strategy": "word", "max_chunk_size": 5000, "overlap": 4999},
        {"strategy": "sentence", "max_chunking_size": 2, "sentence_overlap": 0},
        {"strategy": "recursive", "max_chunk_size": 3, "separators": ["a"] * 60},
        {"strategy": "none"},
    ],
)
def test_accept_beyond_the_bounds(given: dict[str, Any]) -> None:
    """The chunkers take more than the API does, and a record that was shown reads back as itself."""
    assert settings.shown(settings.accept(given)) == given


def test_accept_refuses_the_impossible() -> None:
    """An overlap as long as the chunk is refused, since such chunks would never move on."""
    with pytest.raises(InferenceError, match="must be less than"):
        settings.accept({"strategy": "word", "max_chunk_size": 5, "overlap": 5})


def test_a_misspelt_setting_is_told_and_an_old_one_passed_over() -> None:
    """A program that calls the chunker is told of what it got wrong; a row that an older version wrote still works."""
    given = {"strategy": "word", "overlap": 0, "max_size": 5}
    with pytest.raises(InferenceError, match=r"can not have the following settings: \[max_size\]"):
        chunk("a b", given)
    assert settings.shown(settings.accept(given, stored=True)) == {
        "strategy": "word",
        "max_chunk_size": 250,
        "overlap": 0,
    }


@pytest.mark.parametrize("given", ["word", ["word"], 5])
def test_settings_that_are_none_are_told(given: Any) -> None:
    """What is no mapping is an error of ours, not of Python's."""
    with pytest.raises(InferenceError, match=r"cannot be converted to a \[Map\]"):
        chunk("a b", given)


def test_import_is_light() -> None:
    """Neither the package nor the settings carry numpy, icu4py or regex."""
    code = (
        "import sys, inferpoint, inferpoint.chunking, inferpoint.chunking.settings;"
        "sys.exit(bool({'numpy', 'icu4py', 'regex'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
