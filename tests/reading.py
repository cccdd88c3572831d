"""What every source promises, asked of one while all of it is read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from inferpoint.bulk.sources.opening import opened
from inferpoint.bulk.sources.source import Fields, Item, Source, Span

TEXT = Fields("text")
WHOLE = Fields("text", "id", ("lang",))


def read(address: str | Path, fields: Fields = WHOLE, most: int = 3) -> list[Item]:
    """All items of a source, each span of which is read alone, from the last one on, with and without its first."""
    source = opened(str(address), fields)
    try:
        spans = list(source.spans(most))
        assert [span.object for span in spans] == sorted(span.object for span in spans)
        assert set(source.fingerprints()) >= {span.object for span in spans}
        for before, after in pairwise(spans):
            assert before.end == after.begin or before.object != after.object
        items = {span: list(source.read(span)) for span in reversed(spans)}
        for span in spans:
            assert 0 < span.items == len(items[span]) <= most
            assert list(source.read(span, skip=1)) == items[span][1:]
        again = interleaved(source, spans)
        assert again == [item for span in spans for item in items[span]]
        return again
    finally:
        source.close()


def interleaved(source: Source, spans: list[Span]) -> list[Item]:
    """All items, as they come when several spans are open at once."""
    read: list[list[Item]] = [[] for _ in spans]
    going = [(of, source.read(span)) for of, span in zip(read, spans, strict=True)]
    while going:
        for of, items in list(going):
            if (item := next(items, None)) is None:
                going.remove((of, items))
            else:
                of.append(item)
    return [item for items in read for item in items]


def texts(address: str | Path, most: int = 3) -> list[str]:
    """The texts of a source that has nothing unreadable."""
    items = read(address, TEXT, most)
    assert not [item for item in items if item.problem]
    return [item.text for item in items]
