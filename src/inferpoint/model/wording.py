"""How Elasticsearch's errors quote values, name types and number problems; what looks secret is never quoted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

HIDDEN = "***"
JAVA_NAMES: Mapping[type[Any], str] = {
    str: "String",
    int: "Integer",
    float: "Double",
    bool: "Boolean",
    dict: "Map",
    list: "List",
}
# Rather too much is hidden than too little: who wrote `apiKey` for `api_key` put a key there all the same.
_SECRET_NAME = re.compile(
    r"(keys?|secrets?|passwords?|token|authorization|credentials?|secret_?parameters|service_?account_?json|entra_?id)$",
    re.IGNORECASE,
)
_DEEPEST = 20
_ALIKE = 0.75  # of 1, above which two names may be meant for each other
_LONGEST_NAME, _MOST_NAMES = 100, 1000  # beyond these looking for one takes longer than an error is worth
_FAILED = "Validation Failed: "


def looks_secret(name: str) -> bool:
    """Whether what is called *name* is a secret, as far as its name tells."""
    return _SECRET_NAME.search(name) is not None


def as_java(value: Any, depth: int = 0) -> str:
    """A JSON value as Java prints it, which is how Elasticsearch's errors quote it; what looks secret is hidden.

    What lies deeper than anybody reads is left out: a body may be deeper than the stack.
    """
    if depth > _DEEPEST:
        return "..."
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Mapping():
            items = cast("Mapping[str, Any]", value).items()
            shown = (f"{k}={HIDDEN if looks_secret(k) else as_java(v, depth + 1)}" for k, v in items)
            return "{" + ", ".join(shown) + "}"
        case list() | tuple():
            return "[" + ", ".join(as_java(entry, depth + 1) for entry in cast("Sequence[Any]", value)) + "]"
        case _:
            return str(value)


def did_you_mean(name: str, names: Collection[str]) -> str:
    """The end of an error about *name*, which is none of *names*: the one that it is most like, if there is one."""
    if len(name) > _LONGEST_NAME or len(names) > _MOST_NAMES:
        return ""
    lower = {known.lower(): known for known in names}
    alike = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=_ALIKE)
    return f", did you mean [{lower[alike[0]]}]" if alike else ""


def unknown_settings(left: Mapping[str, Any], service: str, of: str, names: Iterable[str]) -> str:
    """The problem of what is *left* over in a configuration, and the *names* that may stand there, *of* whatever it is.

    The first half is Elasticsearch's.
    """
    takes = ", ".join(names)
    return (
        f"Configuration contains settings [{as_java(left)}] unknown to the [{service}] service;"
        f" {of} takes {f'[{takes}]' if takes else 'none'}"
    )


def numbered(problems: Iterable[str]) -> str:
    """Problems in one line, numbered as Elasticsearch numbers them."""
    return _FAILED + "".join(f"{n}: {problem};" for n, problem in enumerate(problems, 1))


def unnumbered(line: str) -> tuple[str, ...]:
    """The problems of a *line* that `numbered` wrote; any other line is a problem of its own."""
    first = f"{_FAILED}1: "
    if not line.startswith(first):
        return (line,)
    problems, rest = list[str](), line.removeprefix(first).removesuffix(";")
    while rest:
        problem, _, rest = rest.partition(f";{len(problems) + 2}: ")
        problems.append(problem)
    return tuple(problems)


def not_of_type(name: str, value: Any, wanted: str) -> str:
    """The problem of a field called *name* whose *value* is not of the type that Java calls *wanted*."""
    shown = as_java(value)
    return f"field [{name}] is not of the expected type. The value [{shown}] cannot be converted to a [{wanted}]"


def nothing_in(name: str, value: Any) -> str | None:
    """The problem of a field called *name* whose *value* is null or an empty array; None of any other."""
    if value is None:
        return f"Field [{name}] cannot be null"
    return f"Field [{name}] cannot be an empty array" if value in ([], ()) else None
