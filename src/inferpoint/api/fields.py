"""A JSON body's members, each read as the type it must have; what nobody reads is left over to be named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from inferpoint.api.face import Incoming
from inferpoint.errors import Subject, invalid

T = TypeVar("T")
_NAMES: Mapping[type[Any], str] = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    dict: "an object",
    list: "an array",
}


class Fields:
    """The members of one object. `of` is where it stands in the body, for errors."""

    def __init__(self, value: Any, of: str = "") -> None:
        if not isinstance(value, dict):
            raise invalid(f"{of or 'The body'} must be an object", subject=Subject.BODY)
        members = cast("dict[str, Any]", value)
        self._of = of
        self._left = {name: member for name, member in members.items() if member is not None}

    def take(self, name: str, kind: type[T]) -> T | None:
        """The member called *name*; null is as good as absent."""
        value = self._left.pop(name, None)
        if value is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
            return value
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return cast("T", value)
        raise invalid(f"{self.name(name)} must be {_NAMES[kind]}", subject=Subject.BODY)

    def need(self, name: str, kind: type[T]) -> T:
        """The same where there must be one."""
        value = self.take(name, kind)
        if value is None:
            raise invalid(f"{self.name(name)} is required", subject=Subject.BODY)
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """A member that is an object, its own members not read."""
        return cast("dict[str, Any] | None", self.take(name, dict))

    def array(self, name: str) -> list[Any] | None:
        """A member that is an array, its entries not read."""
        return cast("list[Any] | None", self.take(name, list))

    def any(self, name: str) -> Any:
        """The member called *name*, of whatever type; None without one."""
        return self._left.pop(name, None)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A member that is an array of strings."""
        values = self.array(name)
        if values is None:
            return None
        if not all(isinstance(value, str) for value in values):
            raise invalid(f"{self.name(name)} must be an array of strings", subject=Subject.BODY)
        return tuple(values)

    def refuse(self, *names: str) -> None:
        """`INVALID` when one of *names* is there and says anything but no."""
        for name in names:
            if self._left.pop(name, None) not in (None, False, [], {}, 0):
                raise invalid(f"{self.name(name)} is not supported", subject=Subject.BODY)

    def rest(self) -> dict[str, Any]:
        """What nobody has read."""
        return self._left

    def end(self) -> None:
        """`INVALID` when something is left."""
        if self._left:
            plural = "are" if len(self._left) > 1 else "is"
            shown = ", ".join(self.name(name) for name in self._left)
            raise invalid(f"{shown} {plural} not supported", subject=Subject.BODY)

    def name(self, name: str) -> str:
        """How a member is called in errors."""
        return f"[{self._of}.{name}]" if self._of else f"[{name}]"


def body(incoming: Incoming) -> Fields:
    """The members of a request's body."""
    try:
        return Fields(msgspec.json.decode(incoming.body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "it is empty" if not incoming.body.strip() else str(error)
        raise invalid(f"The body is not JSON: {reason}", subject=Subject.BODY) from None
