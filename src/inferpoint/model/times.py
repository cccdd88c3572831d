"""Elasticsearch's time units: `30s`, `1m`."""

from __future__ import annotations

import re

from inferpoint.errors import Subject, invalid

_UNITS = {"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 2**63 * 1e-9
_TIME = re.compile(r"(-?[0-9]+)(\.[0-9]+)?\s*([a-z]*)")


def seconds(text: str, *, name: str) -> float:
    """*text*, the value of the parameter *name*, in seconds; `INVALID` without a unit or with a fraction."""
    match = _TIME.fullmatch(text.strip().lower())
    if match is None or (match[3] not in _UNITS and match[0] not in ("0", "-1")):
        raise invalid(
            f"failed to parse setting [{name}] with value [{text}] as a time value: unit is missing or unrecognized",
            subject=Subject.ARGUMENT,
        )
    if match[2]:
        raise invalid(f"failed to parse [{text}], fractional time values are not supported", subject=Subject.ARGUMENT)
    span = float(match[1]) * _UNITS.get(match[3], 0.0)
    if span > _LONGEST:
        problem = f"Values greater than {2**63 - 1} nanoseconds are not supported: {text}"
        raise invalid(problem, subject=Subject.ARGUMENT)
    return max(0.0, span)


def human(span: float) -> str:
    """A number of seconds in its largest unit, with one digit after the point where there is one to show."""
    for unit, size in reversed(_UNITS.items()):
        if round(span / size, 3) >= 1:
            return f"{round(span / size, 1):g}{unit}"
    return "0s"
