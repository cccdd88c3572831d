"""Words of scripts that put no spaces between them, found by ICU's dictionaries as Elasticsearch's ICU finds them.

icu4py holds ICU for C++, Elasticsearch runs the one for Java. They agree but for two things, which are made good here:
Java divides some runs so short that C++ leaves them whole, and it leaves a leading prolonged sound mark alone.
"""

from __future__ import annotations

import re
from operator import itemgetter

import numpy as np
from icu4py.breakers import WordBreaker

from inferpoint.chunking.characters import Codes, Positions

_SURROGATE = re.compile("[\ud800-\udfff]")
_end = itemgetter(1)

_HAN_AND_KANA = (
    "\u2e80-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u31f0-\u31ff\u32d0-\u32fe\u3300-\u3357\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U0001aff0-\U0001b16f\U0001f200\U00020000-\U0003ffff"
)
_PROLONGED = "\u30fc\uff70"
_LEADING_PROLONGED = re.compile(f"[{_PROLONGED}](?<![{_HAN_AND_KANA}][{_PROLONGED}])[{_PROLONGED}]*")
_UNDIVIDED = "\u30a0"  # of the same class as the prolonged sound mark, but in no dictionary

# For each script: its characters, those that cannot begin a run, the lengths that only Java divides, and a long word
# that no dictionary divides otherwise ("computer"). After that word a short run is long enough for C++ too.
_SHORT_RUNS = (
    ("\u0e01-\u0e3a\u0e40-\u0e4e", "\u0e2f\u0e31\u0e34-\u0e3a\u0e46-\u0e4e", "4", "คอมพิวเตอร์"),
    (
        "\u0e81-\u0ebd\u0ec0-\u0ec4\u0ec6\u0ec8-\u0ece\u0edc-\u0edf",
        "\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece",
        "2,3",
        "ຄອມພິວເຕີ",
    ),
    ("\u1000-\u103f\u1050-\u108f\u109a-\u109f", "\u102b-\u103e", "2,3", "ကွန်ပျူတာ"),
)
_SHORT_RUN = re.compile(
    "|".join(
        f"(?<![{script}])(?![{never_first}])([{script}]{{{lengths}}})(?![{script}])"
        for script, never_first, lengths, _ in _SHORT_RUNS
    )
)


def divisions(text: str, boundaries: Positions, dictionary: Codes, *, short: bool) -> tuple[Positions, Positions]:
    """Where the segments that hold *dictionary* characters are to be divided, and which segment each division is in.

    Without *short* there are no runs so short that it makes a difference.
    """
    starts, lengths = boundaries[:-1], np.diff(boundaries)
    chosen = np.flatnonzero((np.bitwise_or.reduceat(dictionary, starts) != 0) & (lengths > 1))
    if not len(chosen):
        return chosen, chosen
    starts, lengths = starts.take(chosen), lengths.take(chosen)
    spans = zip(starts.data, (starts + lengths).data, strict=True)
    runs = "\n".join([text[start:end] for start, end in spans])
    run = np.repeat(np.arange(len(chosen)), lengths + 1)  # of each character of the runs and the line end after it
    placed = np.cumsum(lengths + 1) - (lengths + 1)

    ends = _as_java(runs, short=short)[:-1]
    owner = run.take(ends)
    within = ends - placed.take(owner)
    inner = within > 0
    return (within + starts.take(owner))[inner], chosen.take(owner)[inner]


def _as_java(runs: str, *, short: bool) -> Positions:
    """The boundaries in *runs* that ICU for Java finds."""
    marked = runs
    if any(mark in runs for mark in _PROLONGED):
        marked = _LEADING_PROLONGED.sub(lambda marks: _UNDIVIDED * len(marks.group()), runs)
    ends = _boundaries(marked)
    short_runs = list(_SHORT_RUN.finditer(runs)) if short else []
    return np.union1d(ends, _in_short(short_runs)) if short_runs else ends


def _in_short(short: list[re.Match[str]]) -> Positions:
    """The boundaries inside short runs, each of them read after a long word of its script."""
    fillers = [_SHORT_RUNS[(run.lastindex or 1) - 1][-1] for run in short]
    ends = _boundaries("\n".join(filler + run.group() for filler, run in zip(fillers, short, strict=True)))
    inside: list[int] = []
    line = 0
    for filler, run in zip(fillers, short, strict=True):
        start, end = line + len(filler), line + len(filler) + len(run.group())
        between = ends[(start < ends) & (ends < end)]
        inside.extend((between - start + run.start()).tolist())
        line = end + 1
    return np.array(inside, np.int64)


def _boundaries(text: str) -> Positions:
    """Where ICU for C++ ends the segments of *text*, in code points."""
    try:
        breaker = WordBreaker(text, "root")
    except UnicodeEncodeError:
        breaker = WordBreaker(_SURROGATE.sub("\ufffd", text), "root")
    ends = np.fromiter(map(_end, breaker.segments()), np.int64)
    if ends[-1] == len(text):
        return ends
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.cumsum(1 + (points > 0xFFFF)).searchsorted(ends) + 1
