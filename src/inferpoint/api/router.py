"""Routes by the segments of a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inferpoint.api.face import Route


@dataclass(frozen=True)
class Matched:
    """The routes of a path, by method, and the path's variable parts."""

    pattern: str
    routes: Mapping[str, Route]
    path_params: Mapping[str, str]


class Router:
    """Paths to routes. A literal segment wins over a variable one, the earlier the stronger."""

    def __init__(self, routes: Sequence[Route]) -> None:
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        self._by_length: dict[int, list[tuple[Sequence[tuple[str, str]], str, Mapping[str, Route]]]] = {}
        for path, methods in by_path.items():
            parts = [_part(part) for part in path.split("/") if part]
            self._by_length.setdefault(len(parts), []).append((parts, path, methods))
        for patterns in self._by_length.values():
            patterns.sort(key=lambda pattern: [bool(variable) for variable, _ in pattern[0]])

    def find(self, segments: Sequence[str]) -> Matched | None:
        """The routes at a path of *segments*, each percent-decoded; None where there are none."""
        for parts, path, methods in self._by_length.get(len(segments), ()):
            path_params: dict[str, str] = {}
            for (variable, literal), segment in zip(parts, segments, strict=True):
                if variable:
                    path_params[variable] = segment
                elif literal != segment:
                    break
            else:
                return Matched(path, methods, path_params)
        return None


def _part(part: str) -> tuple[str, str]:
    """A segment of a route's path: its name where it is variable, or else itself."""
    return (part[1:-1], "") if part.startswith("{") else ("", part)
