"""Attacks on a server by few bytes, hostile providers and damaged files: what each costs it and a neighbour of it.

Run as `make attack`, or `make attack ATTACKS="separators gzip"`. Each file of `attacks/` is one: its `attack(victim)`
does it all, checks what it must be answered, and may have `FLAGS` for the server. The server loses when it grows by
more than MEMORY, or when the neighbour waits longer than STALL or is not answered.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from pathlib import Path

from victim import Harm, attacked, victim

MEMORY = 300  # megabytes; the aim is 100
STALL = 1.0  # seconds; the aim is 0.1
NAMES = sorted(path.stem for path in (Path(__file__).parent / "attacks").glob("*.py"))


def harm(name: str, folder: Path) -> Harm:
    """What the attack of this name does to a server of its own."""
    program = importlib.import_module(f"attacks.{name}")
    with victim(folder, *getattr(program, "FLAGS", ())) as target:
        return attacked(target, program.attack)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    lost: list[str] = []
    print(f"{'attack':<24} {'growth':>8} {'stall':>9} {'asked':>7} {'refused':>7}")
    for name in parser.parse_args().names:
        with tempfile.TemporaryDirectory() as folder:
            did = harm(name, Path(folder))
        print(f"{name:<24} {did.growth:>5} MB {did.stall * 1000:>6.0f} ms {did.asked:>7} {did.refused:>7}", flush=True)
        if did.growth > MEMORY or did.stall > STALL or did.refused:
            lost.append(name)
    assert not lost, f"lost: {', '.join(lost)}"


if __name__ == "__main__":
    main()
