"""How an endpoint's long texts are cut: `chunking_settings`, read, checked, completed and shown.

One record for each strategy, declared like every other setting. `read` holds a record to the bounds of the API;
`accept` takes whatever the chunkers can do, which is more, and so reads a stored record back whatever the bounds are
by then. What is missing is filled in, so that a record says everything there is to say about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast

from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.settings import public, setting, settings, unknown
from inferpoint.model.settings import read as read_record
from inferpoint.model.wording import as_java, not_of_type

SCOPE = "chunking_settings"
LARGEST = 300
MOST_SEPARATORS = 50
SIZE_NAMES = ("max_chunk_size", "max_chunking_size")
SEPARATOR_GROUPS = {
    "markdown": (
        *("\n" + "#" * level + " " for level in range(1, 7)),
        "\n^(?!\\s*$).*\\n-{1,}\\n",
        "\n^(?!\\s*$).*\\n={1,}\\n",
    ),
    "plaintext": (r"(?<!\n)\n\n(?!\n)", r"(?<!\n)\n(?!\n)"),
}

_GROUPED = {separator for group in SEPARATOR_GROUPS.values() for separator in group}

Strategy = Literal["sentence", "word", "recursive", "none"]

_DEFAULT_SIZE = 250
_DEFAULT_OVERLAP = 100
_INTEGER_LIMIT = 2**31


@settings
class Whole:
    """`none`: every text is one chunk."""

    strategy: ClassVar[Strategy] = "none"
    refusal: ClassVar[str] = "When chunking is disabled (none), settings can not have the following"


@settings
class _Sized:
    """Chunks of at most so many words; whoever asks may call the size by either name, or by both."""

    smallest: ClassVar[int] = 10

    max_chunk_size: int | None = setting("The most words in a chunk.", default=None, at_least=1)
    max_chunking_size: int | None = setting("Another name of max_chunk_size.", default=None, at_least=1)

    @property
    def size(self) -> int:
        """The most words in a chunk."""
        return self.max_chunk_size or self.max_chunking_size or _DEFAULT_SIZE


@settings
class Words(_Sized):
    """`word`: so many words a chunk, some of them shared with the chunk before."""

    strategy: ClassVar[Strategy] = "word"
    refusal: ClassVar[str] = "Word based chunking settings can not have the following settings"

    overlap: int = setting("The words a chunk shares with the one before.", default=_DEFAULT_OVERLAP, at_least=0)


@settings
class Sentences(_Sized):
    """`sentence`: as many whole sentences as fit, the last of them perhaps repeated in the next chunk."""

    strategy: ClassVar[Strategy] = "sentence"
    refusal: ClassVar[str] = "Sentence based chunking settings can not have the following settings"
    smallest: ClassVar[int] = 20

    sentence_overlap: int = setting("The sentences a chunk shares with the one before: 0 or 1.", default=1)


@settings
class Recursive(_Sized):
    """`recursive`: cut at the first separator, and what is still too long at the next."""

    strategy: ClassVar[Strategy] = "recursive"
    refusal: ClassVar[str] = "Recursive chunking settings can not have the following settings"

    separators: tuple[str, ...] | None = setting("Regular expressions to cut before, in order.", default=None)
    separator_group: str | None = setting(
        "Separators made for a kind of text.", default=None, choices=tuple(SEPARATOR_GROUPS)
    )

    @property
    def own(self) -> bool:
        """Whether some of the separators are of no group, and so may take any time to search for."""
        return not set(self.separators or ()) <= _GROUPED


ChunkingSettings = Whole | Words | Sentences | Recursive

STRATEGIES: dict[str, type[ChunkingSettings]] = {kind.strategy: kind for kind in (Whole, Words, Sentences, Recursive)}


def read(config: object, *, largest: int = LARGEST, problems: list[str]) -> ChunkingSettings | None:
    """The settings that *config* asks for, within the API's bounds; None when anything was added to *problems*.

    No settings mean sentences. Raises for a strategy that does not exist, of which no setting can be checked.
    """
    before = len(problems)
    kind, values = _chosen(config, problems)
    _refuse_unknown(kind, values, problems)
    record = _record(kind, values, largest, problems)
    if issubclass(kind, _Sized):
        _hold_size(kind.smallest, values, largest, problems)
    if len(problems) == before and isinstance(record, Words):
        _hold_overlap(record, problems, default="overlap" not in values)
    if isinstance(record, Recursive):
        _hold_separators(record.separators or (), problems)
    return record if len(problems) == before else None


def accept(config: Mapping[str, Any] | None, *, stored: bool = False) -> ChunkingSettings:
    """The settings that *config* asks for, within what the chunkers can do; raises where that is not possible.

    A *stored* record may have settings that are no longer known.
    """
    problems: list[str] = []
    kind, values = _chosen(config, problems)
    if not stored:
        _refuse_unknown(kind, values, problems)
    record = _record(kind, values, LARGEST, problems)
    if isinstance(record, Words) and record.overlap >= record.size:
        problems.append(f"[{SCOPE}] Invalid value [{record.overlap}]. [overlap] must be less than [{record.size}]")
    if record is None or problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    return record


def shown(record: ChunkingSettings) -> dict[str, Any]:
    """The settings as GET answers them and as they are stored: the size under the name it came with."""
    values = public(record)
    if isinstance(record, Recursive):
        values["separators"] = list(record.separators or ())
    return {"strategy": record.strategy, **values}


def _chosen(config: object, problems: list[str]) -> tuple[type[ChunkingSettings], dict[str, Any]]:
    """The record of the strategy that *config* names, and the other settings in it: null is as good as absent."""
    if not isinstance(config, Mapping | None):
        problems.append(not_of_type(SCOPE, config, "Map"))
        config = None
    members = cast("Mapping[str, Any]", config or {})
    values = {name: value for name, value in members.items() if value is not None}
    strategy = values.pop("strategy", Sentences.strategy)
    if not isinstance(strategy, str) or strategy not in STRATEGIES:
        raise invalid(f"Invalid chunkingStrategy {as_java(strategy)}", subject=Subject.ARGUMENT)
    return STRATEGIES[strategy], values


def _refuse_unknown(kind: type[ChunkingSettings], values: Mapping[str, Any], problems: list[str]) -> None:
    if extra := unknown(kind, values):
        problems.append(f"{kind.refusal}: [{', '.join(extra)}]")


def _record(
    kind: type[ChunkingSettings], values: Mapping[str, Any], largest: int, problems: list[str]
) -> ChunkingSettings | None:
    """*values* as a record that the chunkers can follow, completed; None when anything was added to *problems*."""
    before = len(problems)
    completed = dict(values)
    if kind is not Whole and not any(name in values for name in SIZE_NAMES):
        completed["max_chunk_size"] = min(_DEFAULT_SIZE, largest)
    if kind is Recursive:
        _choose_separators(completed, problems)
    record = read_record(kind, completed, scope=SCOPE, problems=problems)
    if isinstance(record, _Sized) and len({record.max_chunk_size, record.max_chunking_size, None}) > 2:
        problems.append(
            f"[{SCOPE}] Invalid value [{record.max_chunking_size}]. [max_chunking_size] is another name of"
            f" [max_chunk_size], which is [{record.max_chunk_size}]"
        )
    if isinstance(record, Sentences) and record.sentence_overlap not in (0, 1):
        problems.append(f"sentence_overlap[{record.sentence_overlap}] must be either 0 or 1")
    return record if len(problems) == before else None


def _choose_separators(values: dict[str, Any], problems: list[str]) -> None:
    """Have the separators of a group, or of plain text when nothing is said, in the place of the group's name."""
    group, separators = values.get("separator_group"), values.get("separators")
    if group is not None and separators is not None:
        problems.append("Recursive chunking settings can not have both separators and separator_set")
    if separators == []:
        problems.append("Recursive chunking settings can not have an empty list of separators")
        del values["separators"]
    if group is None and separators is None:
        group = "plaintext"
    if isinstance(group, str) and (known := SEPARATOR_GROUPS.get(group.strip().lower())):
        values.pop("separator_group", None)
        values.setdefault("separators", list(known))


def _hold_size(smallest: int, values: Mapping[str, Any], largest: int, problems: list[str]) -> None:
    """Hold the sizes to the API's bounds, under the names by which they were asked for."""
    for name in SIZE_NAMES:
        size = values.get(name)
        if type(size) is not int or not 0 < size < _INTEGER_LIMIT:
            continue  # absent, or refused already
        wrong = f"[{SCOPE}] Invalid value [{float(size)}]. [{name}] must be"
        if size < smallest:
            problems.append(f"{wrong} greater than or equal to [{float(smallest)}]")
        elif size > largest:
            problems.append(f"{wrong} less than or equal to [{float(largest)}]")


def _hold_overlap(record: Words, problems: list[str], *, default: bool) -> None:
    """Hold the overlap to half of a chunk, saying where it comes from when it is the *default*."""
    half = record.size // 2
    if record.overlap > half:
        source = f"; it is [{_DEFAULT_OVERLAP}] unless it is given" if default else ""
        problems.append(
            f"[{SCOPE}] Invalid value [{float(record.overlap)}]."
            f" [overlap] must be less than or equal to [{float(half)}]{source}"
        )


def _hold_separators(separators: tuple[str, ...], problems: list[str]) -> None:
    """Hold the separators to a number, to what can be searched for, and all together to the size of the largest."""
    if len(separators) > MOST_SEPARATORS:
        problems.append(f"separators list size [{len(separators)}] must not exceed [{MOST_SEPARATORS}]")
    if separators in SEPARATOR_GROUPS.values():
        return
    from inferpoint.chunking.java_regex import LARGEST as LARGEST_EXPRESSION  # noqa: PLC0415 - for separators only
    from inferpoint.chunking.java_regex import compiled  # noqa: PLC0415

    size = 0
    for separator in separators[:MOST_SEPARATORS]:
        try:
            size += compiled(separator).size
        except InferenceError as error:
            problems.extend(error.problems)
        if size > LARGEST_EXPRESSION:
            problems.append(
                f"[{SCOPE}] Invalid value. [separators] have, with their repetitions written out,"
                f" more than [{LARGEST_EXPRESSION}] characters"
            )
            break
