from __future__ import annotations

from typing import Any

import pytest

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.caller_limits import CallerLimits, take_limits, take_share
from inferpoint.model.fields import Fields

OF = "metadata.inferpoint"


def test_limits_are_read_from_the_metadata_of_a_key() -> None:
    """Every limit has its member, the budgets in an object of theirs; what is not about limits is left to others."""
    budget = {"tokens_per_day": 1, "tokens_per_month": 2, "usd_per_day": 0.5, "usd_per_month": 3}
    members = {"requests_per_minute": 600, "tokens_per_minute": 9, "budget": budget, "share": 2, "team": "search"}
    fields = Fields(members, OF)
    assert take_limits(fields) == CallerLimits(600, 9, 1, 2, 0.5, 3.0)
    assert take_share(fields) == 2.0
    assert fields.rest() == {"team": "search"}


@pytest.mark.parametrize("members", [{}, {"budget": {}}, {"requests_per_minute": None}, {"team": "search"}])
def test_a_key_without_limits_has_none(members: dict[str, Any]) -> None:
    """Without a limit nothing is counted, and every caller has the same share."""
    fields = Fields(members, OF)
    assert take_limits(fields) is None
    assert take_share(fields) == 1.0


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"requests_per_minute": "600"}, "requests_per_minute"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"requests_per_minute": 0.5}, "requests_per_minute"),
        ({"requests_per_minute": True}, "requests_per_minute"),
        ({"tokens_per_minute": -1}, "tokens_per_minute"),
        ({"tokens_per_minute": 2**80}, "tokens_per_minute"),
        ({"budget": 5}, "budget"),
        ({"budget": {"tokens_per_day": "many"}}, "budget.tokens_per_day"),
        ({"budget": {"tokens_per_dya": 5}}, "budget.tokens_per_dya"),
        ({"budget": {"usd_per_month": float("nan")}}, "budget.usd_per_month"),
        ({"budget": {"usd_per_day": float("inf")}}, "budget.usd_per_day"),
        ({"budget": {"usd_per_day": 0}}, "budget.usd_per_day"),
        ({"share": 0}, "share"),
        ({"share": "twice"}, "share"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_by_its_name(members: dict[str, Any], name: str) -> None:
    """A misspelt limit, or one that is no positive number, would make an unlimited key: the error names it."""
    fields = Fields(members, OF)
    with pytest.raises(InferenceError, match=rf"\[{OF}\.{name}\]") as refused:
        take_limits(fields)
        take_share(fields)
    assert refused.value.kind is Kind.INVALID
