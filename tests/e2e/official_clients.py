"""The official clients of both majors and both languages: what runs a script with each of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from real_processes import ROOT

_SCRIPTS = Path(__file__).parent / "clients"


@dataclass(frozen=True)
class Client:
    """One client: the language of the pages' examples that are its own, and its package where there are several."""

    name: str
    language: str
    program: str
    package: str = ""

    def command(self, script: str, *arguments: str) -> list[str]:
        """What runs *script* with this client."""
        end = ".mjs" if self.language == "javascript" else ".py"
        package = [self.package] if self.package else []
        return [self.program, str(_SCRIPTS / (script + end)), *package, *arguments]


CLIENTS = (
    Client("python 8", "python", str(ROOT / ".venvs/elasticsearch8/bin/python")),
    Client("python 9", "python", sys.executable),
    Client("javascript 8", "javascript", "node", "elasticsearch8"),
    Client("javascript 9", "javascript", "node", "elasticsearch9"),
)
