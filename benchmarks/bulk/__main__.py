"""Bulk jobs: speed, memory, what is lost or served twice, beside other tools on the same provider in the same run.

Run as `make bench-bulk`. The provider is a process on the same machine that answers after 20 ms, in base64 where it is
asked for that, with vectors of 384 numbers; whoever asks and it share the cores. Rounds alternate, medians count.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop
from bulk import jobs, report
from bulk.documents import written
from bulk.limited import limited
from bulk.measured import ROOT, Provider, Run, provider
from quota.stage import Row, stage

PEERS = {"LangChain": "langchain", "LlamaIndex": "llamaindex", "Daft": "daft_openai", "Ray Data": "ray_data"}
OURS = "inferpoint"
_PYTHON = ROOT / ".venvs/bench-bulk/bin/python"
_ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": tempfile.gettempdir(), "RAY_USAGE_STATS_ENABLED": "0"}


def main() -> None:
    """Play, and print each row as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000, help="Of our own job.")
    parser.add_argument("--beside", type=int, default=100_000, help="Documents that each tool embeds.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=" ".join(PEERS.values()))
    parser.add_argument("--seconds", type=float, default=60.0, help="Of the job at a provider with a limit.")
    parser.add_argument("--document", type=Path, default=ROOT / "docs/performance.md", help="Written at the end.")
    parser.add_argument("--only", action="append", choices=["whole", "limited", "beside"])
    asked = parser.parse_args()
    played = asked.only or ["whole", "beside", "limited"]
    whole, beside, rows = list[Sequence[str]](), list[Sequence[str]](), list[Row]()
    with tempfile.TemporaryDirectory() as name, provider(Path(name)) as on:
        folder = Path(name)
        if "whole" in played:
            whole = _shown(_whole(on, folder, asked.documents))
        if "beside" in played:
            beside = _shown(_beside(on, folder, asked.beside, asked.rounds, asked.peers.split()))
    if "limited" in played:
        with stage(asked.seconds, 1) as limits:
            rows = uvloop.run(limited(limits, written(200_000, limits.folder / "limited.parquet")))
            print(*(report.line((row.what, row.measured, row.target)) for row in rows), sep="\n", flush=True)
    if not asked.only:
        command = f"make bench-bulk DOCUMENTS={asked.documents} BESIDE={asked.beside} ROUNDS={asked.rounds}"
        report.write(asked.document, report.text(whole, beside, rows, command))


def _whole(on: Provider, folder: Path, count: int) -> Iterator[Sequence[str]]:
    """Our own job to Parquet, what starting it again takes, and a tenth of it to JSON Lines."""
    data = folder / "whole"
    for form, documents in (("parquet", count), ("jsonl", count // 10)):
        source, sink = written(documents, folder / f"whole-{form}.parquet"), folder / f"whole-{form}"
        run = jobs.job(on, source, documents, sink, data, form)
        wrong = jobs.verified(sink, documents) if form == "parquet" else ""
        yield _row(f"{OURS}, {documents:,} to {form}", documents, [run], run.seconds, wrong)
        if form == "parquet":
            again = jobs.again(source, sink, data)
            told = f"the same, started again: {again.seconds:.2f} s", "", "", f"{again.peak_bytes / 1e6:.0f}"
            yield *told, *[""] * (len(report.HEAD) - len(told))


def _beside(on: Provider, folder: Path, count: int, rounds: int, peers: Sequence[str]) -> Iterator[Sequence[str]]:
    """Every tool in turns, each as a command of its own."""
    source = written(count, folder / "beside.parquet")
    names = [OURS, *(name for name, script in PEERS.items() if script in peers)]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    wrong = dict.fromkeys(names, "")
    for number in range(rounds):
        for name in names:
            sink = folder / f"beside-{number}-{name.replace(' ', '')}"
            sink.mkdir()
            if name == OURS:
                runs[name].append(jobs.job(on, source, count, sink, sink.with_name(f"{sink.name}-data")))
            else:
                runs[name].append(_theirs(on, source, count, sink, PEERS[name]))
            wrong[name] = jobs.verified(sink, count)
    for name in names:
        seconds = statistics.median(run.seconds for run in runs[name])
        yield _row(f"{name}, {count:,}", count, runs[name], seconds, wrong[name])


def _theirs(on: Provider, source: Path, count: int, sink: Path, script: str) -> Run:
    program = Path(__file__).parent / f"peers/{script}.py"
    return on.run([str(_PYTHON), str(program), str(source), f"{on.url}/v1", str(sink)], count, _ENVIRON)


def _row(name: str, count: int, runs: Sequence[Run], seconds: float, wrong: str) -> Sequence[str]:
    run = runs[-1]
    spent = statistics.median(run.processor_seconds for run in runs)
    held = statistics.median(run.peak_bytes for run in runs)
    served = run.served
    return (
        name,
        f"{count / seconds:,.0f}",
        f"{spent / count * 1000:.4f}",
        f"{held / 1e6:.0f}",
        f"{served['calls']}, {served['at_once']}",
        f"{max(run.served['lost'] for run in runs)}",
        f"{max(run.served['again'] for run in runs)}",
        wrong,
    )


def _shown(rows: Iterator[Sequence[str]]) -> list[Sequence[str]]:
    """The *rows*, printed as they come."""
    print(report.head(report.HEAD), flush=True)
    shown: list[Sequence[str]] = []
    for row in rows:
        print(report.line(row), flush=True)
        shown.append(row)
    return shown


if __name__ == "__main__":
    main()
