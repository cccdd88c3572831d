"""YAML with the line of each value. As in YAML 1.2, whose values are JSON's, `no`, `on` and `12:30` are texts."""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from inferpoint.configuration.source import Place
from inferpoint.errors import invalid

_TYPES = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", "-+.0123456789"),
)
_TAG = "tag:yaml.org,2002:"
_FOLDED = 110


class _Loader(yaml.SafeLoader):
    """Reads scalars by the table above."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the library's own way


class _Dumper(yaml.SafeDumper):
    """Writes scalars so that they are read as what they are."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the library's own way

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - what is written twice is easier to read
        return True


for _name, _pattern, _first in _TYPES:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType] - the library has no types of its own
            _TAG + _name, re.compile(f"(?:{_pattern})$"), [*_first, ""]
        )


def read(name: str, text: str) -> tuple[Any, dict[Place, int]]:
    """The values of *text* and their lines; `INVALID` when it is no YAML, or no JSON could say the same."""
    lines: dict[Place, int] = {}
    try:
        node = cast("yaml.Node | None", yaml.compose(text, _Loader))  # pyright: ignore[reportUnknownMemberType]
        return ({} if node is None else _value(name, node, (), lines, ())), lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise invalid(f"{name}:{line}: The configuration file is not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise invalid(f"The configuration file {name} is not YAML: {' '.join(str(error).split())}") from None


def write(values: Any) -> str:
    """*values* as YAML, in their own order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_FOLDED)


def _value(name: str, node: yaml.Node, place: Place, lines: dict[Place, int], outer: tuple[yaml.Node, ...]) -> Any:
    """The value of *node*, which stands at *place* in all those of *outer*."""
    lines.setdefault(place, node.start_mark.line + 1)
    if node in outer:
        raise _strange(name, node, "a value that holds itself")
    if isinstance(node, yaml.SequenceNode):
        return [_value(name, inner, (*place, index), lines, (*outer, node)) for index, inner in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Any] = {}
        for key, inner in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _strange(name, key, "a key that is no text")
            if key.value in members:
                raise _strange(name, key, f"the key [{key.value}] a second time")
            lines[(*place, key.value)] = key.start_mark.line + 1
            members[key.value] = _value(name, inner, (*place, key.value), lines, (*outer, node))
        return members
    return _scalar(name, node)


def _scalar(name: str, node: yaml.Node) -> Any:
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return node.value.lower() == "true"
        case "int":
            return int(node.value)
        case "float":
            return float(node.value)
        case "str":
            return node.value
        case _:
            raise _strange(name, node, f"the type {node.tag}, which JSON does not have")


def _strange(name: str, node: yaml.Node, what: str) -> Exception:
    return invalid(f"{name}:{node.start_mark.line + 1}: The configuration file has {what}")
