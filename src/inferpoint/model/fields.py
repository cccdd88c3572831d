"""A JSON object's members, each read as the type it must have, and refused in the words of the dialect it came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.json_body import JsonBody

T = TypeVar("T")
_OBJECT: type[dict[str, Any]] = dict
_ARRAY: type[list[Any]] = list
_NAMES: Mapping[type[Any], str] = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    dict: "an object",
    list: "an array",
}


class Vocabulary:
    """The words in which a body and its members are refused: plain ones, where a dialect has none of its own.

    `of` is where an object stands in the body, empty for the body itself.
    """

    def not_json(self, reason: str) -> InferenceError:
        """The error of a body that cannot be read for *reason*, which is empty when there is no body."""
        return invalid(f"The body is not JSON: {reason or 'it is empty'}", subject=Subject.BODY)

    def twice(self, name: str) -> InferenceError:
        """The error of a body with an object that has two members called *name*."""
        return invalid(f"The body has [{name}] twice in one object", subject=Subject.BODY)

    def not_object(self, of: str, value: Any) -> InferenceError:  # noqa: ARG002 - a dialect may tell what it is
        """The error of *value*, which stands at *of* and is no object."""
        return invalid(f"{of or 'The body'} must be an object", subject=Subject.BODY)

    def wrong_type(self, of: str, name: str, kind: type[Any], value: Any) -> InferenceError:  # noqa: ARG002
        """The error of a member called *name* that is *value*, and no *kind*."""
        return invalid(f"{self.called(of, name)} must be {_NAMES[kind]}", subject=Subject.BODY)

    def wrong_entry(self, of: str, name: str, index: int) -> InferenceError:
        """The error of an array called *name* that holds something other than a string at *index*."""
        return invalid(f"{self.called(of, f'{name}.{index}')} must be a string", subject=Subject.BODY)

    def missing(self, of: str, name: str) -> InferenceError:
        """The error of a required member called *name* that is not there."""
        return invalid(f"{self.called(of, name)} is required", subject=Subject.BODY)

    def unknown(self, of: str, names: Sequence[str]) -> InferenceError:
        """The error of members called *names* that have no meaning."""
        shown = ", ".join(self.called(of, name) for name in names)
        return invalid(f"{shown} {'are' if len(names) > 1 else 'is'} not supported", subject=Subject.BODY)

    def called(self, of: str, name: str) -> str:
        """A member's name in errors, with the place of its object."""
        return f"[{path(of, name)}]"


PLAIN = Vocabulary()


def path(of: str, name: str) -> str:
    """Where the member called *name* of the object at *of* stands in the body."""
    return f"{of}.{name}" if of else name


def read_object(body: JsonBody, words: Vocabulary = PLAIN) -> dict[str, Any]:
    """The object that *body* holds; an error in *words* where it holds none, or one with a member twice."""
    if body.empty:
        raise words.not_json("")
    if body.fault:
        raise words.not_json(body.fault)
    if body.twice is not None:
        raise words.twice(body.twice)
    value = body.value
    if type(value) is not dict:
        raise words.not_object("", value)
    return cast("dict[str, Any]", value)


class Fields:
    """The members of one object; a null is as good as absent. `of` is where it stands in the body, for errors."""

    def __init__(self, value: Any, of: str = "", words: Vocabulary = PLAIN) -> None:
        members: dict[str, Any] = value
        if type(members) is not dict:
            raise words.not_object(of, value)
        self._of = of
        self._words = words
        self._left = dict(members)  # nulls among them

    def take(self, name: str, kind: type[T]) -> T | None:
        """The member called *name*, of the type *kind*."""
        left = self._left
        if name not in left:
            return None
        value = left[name]
        del left[name]
        if value is None or type(value) is kind or is_kind(value, kind):
            return value
        raise self._words.wrong_type(self._of, name, kind, value)

    def need(self, name: str, kind: type[T]) -> T:
        """The member called *name*, of the type *kind*, which must be there."""
        value = self.take(name, kind)
        if value is None:
            raise self._words.missing(self._of, name)
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """A member that is an object, its own members not read."""
        return self.take(name, _OBJECT)

    def array(self, name: str) -> list[Any] | None:
        """A member that is an array, its entries not read."""
        return self.take(name, _ARRAY)

    def any(self, name: str) -> Any:
        """The member called *name*, of whatever type; None without one."""
        left = self._left
        if name not in left:
            return None
        value = left[name]
        del left[name]
        return value

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A member that is an array of strings."""
        values = self.array(name)
        if values is None:
            return None
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self._words.wrong_entry(self._of, name, index)
        return tuple(values)

    def text_or_texts(self, name: str) -> tuple[str, ...] | None:
        """A member that is an array of strings, or one string that stands for an array of one."""
        if name not in self._left:
            return None
        if type(value := self._left[name]) is str:
            del self._left[name]
            return (value,)
        return self.texts(name)

    def refuse(self, *names: str) -> None:
        """`INVALID` when one of *names* is there and says anything but no."""
        for name in names:
            if name in self._left and self._left.pop(name) not in (None, False, [], {}, 0):
                raise self._words.unknown(self._of, (name,))

    def only(self, *names: str) -> None:
        """`INVALID` when there are others than *names*."""
        if strange := [name for name, value in self._left.items() if name not in names and value is not None]:
            raise self._words.unknown(self._of, strange)

    def has_only(self, name: str) -> bool:
        """Whether the member called *name* is there and no other."""
        return name in self._left and len(self._left) == 1

    def is_read(self) -> bool:
        """Whether no member is left."""
        return not self._left

    def __contains__(self, name: str) -> bool:
        """Whether there is a member called *name* that has not been read."""
        return name in self._left and self._left[name] is not None

    def rest(self) -> dict[str, Any]:
        """The members that have not been read."""
        if not self._left:
            return {}
        return {name: value for name, value in self._left.items() if value is not None}

    def end(self) -> None:
        """`INVALID` when there are members that have not been read."""
        self.only()

    def path(self, name: str) -> str:
        """Where a member stands in the body."""
        return path(self._of, name)

    def name(self, name: str) -> str:
        """A member's name in errors, with the place of its object."""
        return self._words.called(self._of, name)


def is_kind(value: Any, kind: type[Any]) -> bool:
    """Whether *value* is a *kind* in JSON, where true is no number and every integer is one."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
