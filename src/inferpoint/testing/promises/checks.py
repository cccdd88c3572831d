"""Assertions of promises, which say what is wrong and hold under `python -O`."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import asdict

from inferpoint.errors import InferenceError
from inferpoint.model.results import Embeddings, Usage


def same(what: str, actual: Any, wanted: Any) -> None:
    """Raise an `AssertionError` that names *what* unless both are equal."""
    if actual != wanted:
        raise AssertionError(f"{what}:\n   found {actual!r}\n  wanted {wanted!r}")


def must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion, and holds under `python -O`
    """Raise an `AssertionError` that says *otherwise* unless it *holds*."""
    if not holds:
        raise AssertionError(otherwise)


@contextmanager
def nothing_but_our_error(data: bytes) -> Generator[None]:
    """Let reading *data* raise nothing or an `InferenceError`; any other exception breaks a promise."""
    try:
        yield
    except InferenceError as error:
        must(bool(error.problems), "an error says what is wrong")
    except AssertionError:
        raise
    except Exception as error:
        problem = f"{data[:200]!r} raised {error!r}, where nothing but an InferenceError may be raised"
        raise AssertionError(problem) from error


def numbers(embeddings: Embeddings) -> list[list[float]]:
    """The vectors of *embeddings*, read, without those of inputs that have an error."""
    return [row for place, row in enumerate(embeddings.numbers()) if place not in embeddings.errors]


def whole_usage(recorded: Mapping[str, int] | None) -> dict[str, int] | None:
    """A recorded usage with the counts that it leaves out."""
    return None if recorded is None else {**asdict(Usage()), **recorded}


def texts(secret: str | Mapping[str, str]) -> Sequence[str]:
    """The texts of a *secret*, which may be a map of them."""
    return [secret] if isinstance(secret, str) else [*secret.values()]
