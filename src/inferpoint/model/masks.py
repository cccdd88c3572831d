"""Values that are or may hold keys: what of them is shown, and what only looks like one.

A secret is not shown at all. A header and a parameter of an address may hold a key, so their names are shown, and
their values as `***`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote_plus

from inferpoint.model.setting import Setting
from inferpoint.model.wording import HIDDEN

SHORTEST_KEY = 8  # a shorter value is a part of ordinary words
# Parameters that every provider's documentation shows, and that tell which of its interfaces is meant.
_PUBLIC = frozenset({"api-version", "api_version", "version"})
_MASKED = re.compile(r"[*•●∙·…]{1,2}|[*•●∙·….]{3}.*|…+.*", re.DOTALL)
_VARIABLE = re.compile(r"\$\{\w+\}")


def shown(setting: Setting, value: Any) -> Any:
    """*value* of *setting* as everybody may see it; None where that is not at all."""
    if setting.secret:
        return getattr(value, "reference", None)  # of a named credential
    if setting.kind is dict:
        return dict.fromkeys(value, HIDDEN)
    return _masked_url(value) if setting.url else value


def restored(setting: Setting, value: Any, stored: Any) -> Any:
    """The *value* of an update, with what is *stored* in the places that show that something is."""
    if stored is None or value is None:
        return value
    if setting.kind is dict and isinstance(value, dict):
        entries = cast("Mapping[str, Any]", value).items()
        return {name: stored.get(name, entry) if entry == HIDDEN else entry for name, entry in entries}
    return stored if value in (HIDDEN if setting.secret else None, shown(setting, stored)) else value


def texts(setting: Setting, value: Any) -> Iterator[str]:
    """The keys that *value* may hold, as they could be met in what a provider says."""
    if setting.secret:
        yield value
    elif setting.kind is dict:
        yield from (text for text in value.values() if len(text) >= SHORTEST_KEY)
    elif setting.url:
        yield from (unquote_plus(text) for _, text in _hidden_parameters(value) if len(text) >= SHORTEST_KEY)


def problem(setting: Setting, value: Any) -> str | None:
    """Why *value* can be no key, in words that do not repeat it; None of one that may be."""
    if setting.secret:
        return no_key(f"[{setting.name}]", value)
    if setting.kind is dict:
        named = ((f"[{name}] of [{setting.name}]", text) for name, text in value.items())
    elif setting.url:
        named = ((f"The parameter [{name}] of [{setting.name}]", text) for name, text in _hidden_parameters(value))
    else:
        return None
    return next(filter(None, (no_key(name, text) for name, text in named)), None)


def no_key(name: str, text: str) -> str | None:
    """Why *text*, which is called *name*, can be no key, in words that do not repeat it; None of one that may be."""
    if _MASKED.fullmatch(text):
        return f"{name} is masked, as a value is that was shown: send the value itself"
    if _VARIABLE.search(text):
        return f"{name} names a variable, and nothing is put in its place: send the value itself"
    return None


def _hidden_parameters(url: str) -> Iterator[tuple[str, str]]:
    """The parameters of *url* whose values are not shown, as they are written."""
    for part in url.partition("#")[0].partition("?")[2].split("&"):
        name, _, text = part.partition("=")
        if name.lower() not in _PUBLIC and (name or text):
            yield (name, text) if "=" in part else ("", name)


def _masked_url(url: str) -> str:
    """*url* with `***` in place of what may be a key."""
    address, question, rest = url.partition("?")
    query, hash_sign, fragment = rest.partition("#")
    parts = [_masked_parameter(part) for part in query.split("&")] if query else []
    return address + question + "&".join(parts) + hash_sign + (fragment and HIDDEN)


def _masked_parameter(part: str) -> str:
    name, equals, text = part.partition("=")
    if name.lower() in _PUBLIC or not part:
        return part
    return f"{name}={HIDDEN if text else ''}" if equals else HIDDEN
