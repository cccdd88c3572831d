"""A hook of the build: what git does not track goes into no package, for it may be somebody's `.env`.

What is built from an sdist, where there is no git, was tracked when that was made.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TrackedFiles(BuildHookInterface):
    """Adds the untracked files of the working tree to what is excluded."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's interface
        """Exclude them before any file is looked at."""
        if not (Path(self.root) / ".git").exists():
            return
        command = ("git", "ls-files", "--others", "--directory", "-z")
        untracked = subprocess.run(command, cwd=self.root, capture_output=True, check=True).stdout.decode()  # noqa: S603 - fixed words
        excluded = self.build_config.target_config.setdefault("exclude", [])
        excluded += [f"/{_literal(path)}" for path in untracked.split("\0") if path]


def _literal(path: str) -> str:
    """A path as a pattern of gitignore that matches it alone."""
    return "".join(f"\\{character}" if character in "\\*?[]!# " else character for character in path)
