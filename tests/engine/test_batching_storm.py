from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from batches import Late, asking, complaint, mark, nothing_is_left, vectors
from hypothesis import given
from hypothesis import strategies as st
from world import EMBEDDING, Arrived, World, body, openai

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import Caller, InputType

LETTERS = "abcdefgh"  # few, so that many ask for the same
BAD = "!"  # a text with this in it is refused
LONG = "long " * 800  # of which a quarter is too much still
TOO_MUCH = 900  # bytes over all texts of a call


@dataclass(frozen=True)
class Plan:
    """What one caller does: when they ask, for which texts, and after how long they leave."""

    at: float
    texts: Sequence[str]
    caller: str
    purpose: InputType | None
    partial: bool
    leaves: float | None

    @property
    def own(self) -> list[str]:
        """The texts, with whose pool they belong to."""
        return [f"{self.caller}/{self.purpose}/{text}" for text in self.texts]


PLANS = st.builds(
    Plan,
    at=st.integers(0, 12).map(lambda n: n / 2),
    texts=st.lists(st.sampled_from([*LETTERS, *LETTERS, *LETTERS, BAD, LONG]), min_size=1, max_size=12),
    caller=st.sampled_from(["eve", "bob"]),
    purpose=st.sampled_from([None, InputType.SEARCH]),
    partial=st.booleans(),
    leaves=st.none() | st.integers(0, 10).map(lambda n: n / 2),
)
ANSWERS = st.sampled_from(["good"] * 4 + ["slow", "slow", "throttled", "busy", "cut off"])


def provider(world: World, answers: Sequence[str], inputs: int) -> Callable[[Call], Reply | Arrived | Exception]:
    """One that refuses what is wrong or too much, and otherwise answers as it likes."""
    turns = cycle(answers)

    def answer(call: Call) -> Reply | Arrived | Exception:
        given = body(call)["input"]
        match next(turns):
            case "throttled":
                return Reply(429, b"", {"retry-after": "1"})
            case "busy":
                return Reply(503, b"")
            case "cut off":
                return InferenceError(Kind.CUT_OFF, "gone")
            case how:
                reply = judged(given, inputs) or vectors(call)
                return Late(world.clock, 1.5, reply) if how == "slow" else reply

    return answer


def judged(given: Sequence[str], inputs: int) -> Reply | None:
    """The refusal of what no call may hold."""
    if len(given) > inputs:
        return complaint(f"batch size {len(given)} > maximum allowed batch size {inputs}", 422)
    if sum(map(len, given)) > TOO_MUCH:
        return Reply(413, b"")
    return complaint("an input is not valid") if any(BAD in text for text in given) else None


async def walk(world: World, inference_id: str, plan: Plan) -> Any:
    """What becomes of *plan*; None of who left."""
    await world.clock.sleep(plan.at)
    more = {"endpoint": inference_id, "caller": Caller(plan.caller), "input_type": plan.purpose}
    task = asking(world, *plan.own, **more, partial=plan.partial)
    alarm = None if plan.leaves is None else world.clock.at(world.clock.monotonic() + plan.leaves, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None
    except InferenceError as error:
        return error
    finally:
        if alarm is not None:
            alarm.cancel()


def is_right(plan: Plan, found: Any) -> None:
    """That each text has its own vector, or there is an error where there may be one."""
    if found is None:
        assert plan.leaves is not None
    elif isinstance(found, InferenceError):
        assert found.index is None or found.index < len(plan.texts)
        if found.index is not None and found.kind is Kind.INVALID:
            assert any(text in (BAD, LONG) for text in plan.texts)
    else:
        assert plan.partial or not found.errors
        for place, (text, vector) in enumerate(zip(plan.own, found.vectors, strict=True)):
            assert (vector is None) == (place in found.errors)
            assert vector is None or json.loads(bytes(vector)) == [mark(text)]


def is_all_there(plan: Plan, found: Any) -> None:
    """That only those who asked for what no call may hold have an error."""
    wrong = [place for place, text in enumerate(plan.texts) if text in (BAD, LONG)]
    if plan.partial and found is not None:
        assert sorted(found.errors) == wrong
    elif isinstance(found, InferenceError):
        assert wrong


@given(
    plans=st.lists(PLANS, min_size=1, max_size=25),
    answers=st.lists(ANSWERS, min_size=1, max_size=12).filter(lambda answers: "good" in answers or "slow" in answers),
    inputs=st.integers(1, 12),
    known=st.booleans(),
)
def test_in_a_storm_everyone_is_answered(
    make_world: Callable[..., World], plans: Sequence[Plan], answers: Sequence[str], inputs: int, *, known: bool
) -> None:
    """Whoever asks, leaves and is refused: all others have their own vectors or an error, and nothing stays behind."""
    world = make_world(validate=False)
    world.run(world.endpoints.load())
    inference_id = "known" if known else "plain"
    if not world.endpoints.exists(inference_id):
        config = openai({"rate_limit": {"requests_per_minute": 120}}, **({"cache": {}} if known else {}))
        world.create(inference_id, EMBEDDING, config)
    world.provider.answer = provider(world, answers, inputs)

    async def storm() -> list[Any]:
        found = await asyncio.gather(*(walk(world, inference_id, plan) for plan in plans))
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 2
        return found

    for plan, found in zip(plans, world.run(storm()), strict=True):
        is_right(plan, found)
        if {"good", "slow"}.issuperset(answers):
            is_all_there(plan, found)
    for call in world.provider.calls:
        assert len({text.rpartition("/")[0] for text in body(call)["input"]}) == 1
    nothing_is_left(world)
