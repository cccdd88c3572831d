"""Paths into a JSON answer: `$`, then `.field` and `[*]`, as Elasticsearch has them.

Libraries of JSONPath (RFC 9535) answer a flat list of what they find, and nothing where there is nothing. Here lists
stay in each other, and an error names the path that found nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.http import unreadable
from inferpoint.model.wording import JAVA_NAMES

_STEP = re.compile(r"\.([^.\[\]$]+)|(\[\*\])")
_PATH = re.compile(rf"\$(?:{_STEP.pattern})*")
EACH = "[*]"


def check_path(name: str, path: str) -> None:
    """`INVALID` unless the *path* of the setting called *name* is one."""
    if not path.startswith("$"):
        raise invalid(f"[{name}] Path [{path}] must start with a dollar sign ($)", subject=Subject.SETTINGS)
    if not _PATH.fullmatch(path):
        problem = f"[{name}] Path [{path}] must be a dollar sign with fields [.name] and lists [[*]] after it"
        raise invalid(problem, subject=Subject.SETTINGS)


def follow(value: Any, path: str, of: str) -> Any:
    """What stands in *value* at *path*; `UNREADABLE`, said of *of*, where there is nothing."""
    return _followed(value, _steps(path), path, of)


def rows(value: Any, path: str, of: str) -> list[Any]:
    """What stands at *path* for each of the entries of the first list on it, or the error of one without it."""
    steps = _steps(path)
    first = steps.index(EACH) if EACH in steps else len(steps)
    entries = _entries(_followed(value, steps[:first], path, of), path, of)
    return [_row(entry, steps[first + 1 :], path, of) for entry in entries]


def _row(entry: Any, steps: Sequence[str], path: str, of: str) -> Any:
    try:
        return _followed(entry, steps, path, of)
    except InferenceError as error:
        return error


def _steps(path: str) -> list[str]:
    return [step[2] or step[1] for step in _STEP.finditer(path)]


def _followed(value: Any, steps: Sequence[str], path: str, of: str) -> Any:
    for place, step in enumerate(steps):
        if step == EACH:
            return [_followed(entry, steps[place + 1 :], path, of) for entry in _entries(value, path, of)]
        if not isinstance(value, dict) or step not in value:
            raise unreadable(of, f"the path [{path}] found nothing: Unable to find field [{step}] in map")
        value = cast("dict[str, Any]", value)[step]
    return value


def _entries(value: Any, path: str, of: str) -> list[Any]:
    if isinstance(value, list):
        return cast("list[Any]", value)
    kind = JAVA_NAMES.get(value.__class__, "null")
    raise unreadable(of, f"the path [{path}] found no list: the current object is a [{kind}]")
