"""The order of the calls of a rate group: lanes by weight, in each the callers by their share, then arrival.

Start-time fair queueing on two levels. Each lane, and each caller in it, has a tag that grows by what its calls cost,
divided by its weight; the smallest tag is next. A caller that comes back after a rest begins at the tag that is served
just now, so nobody saves up turns and nobody starves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from inferpoint.model.quota import Lane

E = TypeVar("E")

# Where all lanes are full, searches have 76 of 100 turns, what nobody waits for has 5.
WEIGHTS: Mapping[Lane, float] = {Lane.SEARCH: 16, Lane.OTHER: 4, Lane.INGEST: 1}


class _Flow(Generic[E]):
    """The calls of one caller in one lane: tries of calls that went before, then the rest, each by arrival."""

    def __init__(self, share: float, tag: float) -> None:
        self.share = share
        self.tag = tag
        self.again: dict[E, None] = {}
        self.waiting: dict[E, None] = {}

    def __len__(self) -> int:
        return len(self.again) + len(self.waiting)

    def pop(self) -> E:
        entries = self.again or self.waiting
        entry = next(iter(entries))
        del entries[entry]
        return entry


class _Lane(Generic[E]):
    def __init__(self, weight: float) -> None:
        self.weight = weight
        self.tag = 0.0
        self.served = 0.0  # the tag of the caller that had the last turn
        self.flows: dict[str, _Flow[E]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.flows.values()))

    def flow(self, caller: str, share: float) -> _Flow[E]:
        flow = self.flows.get(caller)
        if flow is None:
            flow = self.flows[caller] = _Flow(share, self.served)
        elif not flow:
            flow.tag = max(flow.tag, self.served)
        return flow

    def next(self) -> _Flow[E]:
        return min((flow for flow in self.flows.values() if flow), key=lambda flow: flow.tag)


class FairQueue(Generic[E]):
    """The entries that wait in one group, `count` of them; an entry is any hashable value."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, _Lane[E]] = {lane: _Lane(weight) for lane, weight in WEIGHTS.items()}
        self._served = 0.0  # the tag of the lane that had the last turn
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def join(self, entry: E, lane: Lane, caller: str, share: float, *, ahead: bool) -> None:
        """Have *entry* wait; one that goes *ahead* comes before the others of its caller."""
        of = self._lanes[lane]
        if not any(of.flows.values()):
            of.tag = max(of.tag, self._served)
        flow = of.flow(caller, share)
        (flow.again if ahead else flow.waiting)[entry] = None
        self.count += 1

    def leave(self, entry: E, lane: Lane, caller: str) -> bool:
        """Have *entry* wait no more; False when it did not wait."""
        flow = self._lanes[lane].flows.get(caller)
        for entries in (flow.again, flow.waiting) if flow else ():
            if entry in entries:
                del entries[entry]
                self._left(self._lanes[lane])
                return True
        return False

    def next(self, cost: Callable[[E], float]) -> E:
        """The entry whose turn it is, waiting no more; *cost* tells what is charged to its lane and its caller."""
        lane = min((lane for lane in self._lanes.values() if any(lane.flows.values())), key=lambda lane: lane.tag)
        flow = lane.next()
        self._served, lane.served = lane.tag, flow.tag
        entry = flow.pop()
        spent = cost(entry)
        lane.tag += spent / lane.weight
        flow.tag += spent / flow.share
        self._left(lane)
        return entry

    def ahead(self, lane: Lane, caller: str, share: float) -> int:
        """How many turns come before that of the next who joins, if nobody else comes."""
        own_lane = self._lanes[lane]
        own = len(own_lane.flows.get(caller, ())) + 1
        others = (min(len(flow), own * flow.share / share) for name, flow in own_lane.flows.items() if name != caller)
        here = own + sum(others)
        elsewhere = (
            min(len(other), here * other.weight / own_lane.weight)
            for name, other in self._lanes.items()
            if name is not lane
        )
        return int(here + sum(elsewhere)) - 1

    def lanes(self) -> Iterator[tuple[Lane, list[E]]]:
        """Each lane with the entries that wait in it, in no order."""
        for name, lane in self._lanes.items():
            yield name, [entry for flow in lane.flows.values() for entry in (*flow.again, *flow.waiting)]

    def _left(self, lane: _Lane[E]) -> None:
        self.count -= 1
        if not any(lane.flows.values()):  # nobody to be fair to: those who come next begin together
            lane.flows.clear()
