"""How fast texts are chunked, beside other splitters, and how much memory a long one takes.

Every splitter cuts the same texts in one process, some documents in a row, in a new order each round; a speed is the
median over the rounds, in MB of UTF-8 a second. Ours are told 250 words. The others are told 250 words where spaces
divide words, and 500 characters elsewhere, since none of them finds words there. All are made before the clock starts.
Blank lines divide the paragraphs, which is where the others cut gladly; "unbroken" texts have spaces there::

    pip install -r requirements/bench-chunking.txt
    python benchmarks/chunking.py --output build/bench

writes `chunking.json` and `chunking.png`; `--quick` leaves the documents of 10 MB out.
"""

# ruff: noqa: RUF001 - letters of every script
from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inferpoint.chunking import chunk
from inferpoint.chunking.settings import accept

Splitter = Callable[[str], object]

SIZES = {"2 kB": 2_000, "25 kB": 25_000, "10 MB": 10_000_000}
DOCUMENTS = {"2 kB": 20, "25 kB": 5, "10 MB": 1}
ROUNDS = {"2 kB": 30, "25 kB": 30, "10 MB": 3}
REFERENCE = "langchain recursive"
AIMS = {("ASCII", "word"): 11, ("ASCII", "sentence"): 2, ("European", "word"): 25, ("European", "sentence"): 9}
UNBROKEN = ", unbroken"

SETTINGS: dict[str, dict[str, Any]] = {
    "word": {"strategy": "word", "max_chunk_size": 250, "overlap": 100},
    "sentence": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1},
    "recursive": {"strategy": "recursive", "max_chunk_size": 250, "separator_group": "plaintext"},
    "none": {"strategy": "none"},
}

VOCABULARY = {
    "ASCII": (
        "the of and to in is that for it was on are as with his they at be this from have or by one had not but what"
        " all were when we there can an your which their said if will each about how up out them then she many some so"
        " these would other into has more two like him see time could no make than first been its who now people my"
        " made over did down only way find use may water long little very after words called just where most know"
        " search engine inference embedding document boundary performance 3.14 2026 don't e-mail"
    ),
    "European": (
        "größe über müssen können für Straße être déjà où ça naïve élève garçon château español niño mañana corazón"
        " país también wir sind die der das und avec pour dans les des une por que él más później część źródło łódź"
        " świat żeby jest się nie τον και την για είναι это что как для всех было может быть слово время работа l’été"
    ),
    "Chinese": (
        "的 一 是 不 了 在 人 有 我们 中国 这个 他们 学习 问题 研究 方法 数据 结果 网络 时间 人民 重要 工作 科学"
        " 语言 搜索 引擎 处理 分块 向量 服务器 需要 和 对 从 北京大学 经济 发展 社会主义 技术 2026 公司"
    ),
    "Japanese": (
        "私 は 東京 の 大学 で 日本語 を 勉強 して います これ それ データ コンピューター 検索 エンジン が 速い"
        " です から まで 研究 者 新しい 方法 言語 処理 サーバー 時間 問題 結果 に 対して 考える こと できる"
    ),
    "Thai": (
        "ภาษา ไทย เป็น ของ ประเทศ และ การ ค้นหา ข้อมูล คอมพิวเตอร์ เรา ไม่ มี ความ สำคัญ มาก ที่ จะ เรียน รู้ วิธี ใหม่"
        " นักวิจัย ทำงาน กับ เครือข่าย ใน เวลา นี้ ผล ลัพธ์ ดี ขึ้น"
    ),
}
SPACED = ("ASCII", "European")
LANGUAGES = [*VOCABULARY, *(language + UNBROKEN for language in SPACED)]


def document(language: str, size: int, number: int = 0) -> str:
    """About *size* bytes of sentences of 6 to 24 words in paragraphs of 1 to 14 sentences, always the same ones."""
    chance = random.Random(f"{language} {size} {number}")
    tongue = language.removesuffix(UNBROKEN)
    space, ends = (" ", ".?!") if tongue in SPACED else ("", " " if tongue == "Thai" else "。？！")
    gap = "\n\n" if tongue == language else " "
    pieces: list[str] = []
    length = 0
    while length < min(size, 1_000_000):
        sentences: list[str] = []
        for _ in range(chance.randint(1, 14)):
            sentence = space.join(chance.choices(VOCABULARY[tongue].split(), k=chance.randint(6, 24)))
            sentences.append(sentence[0].upper() + sentence[1:] + chance.choice(ends))
        pieces.append(space.join(sentences) + gap)
        length += len(pieces[-1].encode())
    return "".join(pieces) * (size // length or 1)


def words_of(text: str) -> int:
    """How the others count words."""
    return len(text.split())


def ours() -> dict[str, Splitter]:
    """Our strategies."""
    records = {name: accept(settings) for name, settings in SETTINGS.items()}
    return {name: lambda text, record=record: chunk(text, record) for name, record in records.items()}


def others(*, spaced: bool) -> dict[str, Splitter]:
    """The other splitters, for texts whose words have spaces between them or not."""
    import chonkie  # noqa: PLC0415 - the memory of our own splitters is measured without them
    import semchunk  # noqa: PLC0415
    from langchain_text_splitters import RecursiveCharacterTextSplitter  # noqa: PLC0415
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415

    size, count, unit = (250, words_of, "word") if spaced else (500, len, "character")
    langchain = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=0, length_function=count)
    semantic = TextSplitter.from_callback(words_of, size) if spaced else TextSplitter(size)
    return {
        REFERENCE: langchain.split_text,
        "chonkie recursive": chonkie.RecursiveChunker(tokenizer=unit, chunk_size=size).chunk,
        "chonkie sentence": chonkie.SentenceChunker(tokenizer=unit, chunk_size=size).chunk,
        "semchunk": semchunk.chunkerify(count, size, memoize=False),  # or it would remember the rounds before
        "semantic-text-splitter": semantic.chunks,
    }


def speeds(splitters: dict[str, Splitter], texts: list[str], rounds: int) -> dict[str, float]:
    """The median MB/s of each splitter."""
    times: dict[str, list[float]] = {name: [] for name in splitters}
    order = list(splitters)
    for round_ in range(rounds + 1):
        random.shuffle(order)
        for name in order:
            began = time.perf_counter()
            for text in texts:
                splitters[name](text)
            if round_:  # the first one warms up
                times[name].append(time.perf_counter() - began)
    size = sum(len(text.encode()) for text in texts) / 1e6
    return {name: size / statistics.median(taken) for name, taken in times.items()}


def peak_memory(language: str, strategy: str) -> float:
    """The most memory that a process of its own takes to cut 10 MB, beyond what it has before, in times that."""
    command = [sys.executable, __file__, "--memory-of", language, strategy]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak_memory(language: str, strategy: str) -> None:
    """What `peak_memory` asks of its process."""
    splitter = ours()[strategy]
    splitter(document(language, 25_000))
    before = memory("VmRSS")
    text = document(language, SIZES["10 MB"])
    splitter(text)
    print((memory("VmHWM") - before) / len(text.encode()))


def memory(name: str) -> int:
    """What Linux says of this process's memory, in bytes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].removesuffix(" kB")) * 1024


def show(name: str, found: dict[str, float], language: str) -> None:
    """One line for each splitter: MB/s, and how many times the reference."""
    print(f"\n{name}")
    for splitter, speed in sorted(found.items(), key=lambda item: -item[1]):
        if splitter == "none":
            continue  # it has nothing to do
        ratio = speed / found[REFERENCE]
        aim = AIMS.get((language.removesuffix(UNBROKEN), splitter)) if name.endswith("25 kB") else None
        print(f"  {splitter:24}{speed:9.1f} MB/s{ratio:8.1f} x" + (f"   (aim {aim} x)" if aim else ""))


def plot(results: dict[str, dict[str, float]], path: Path) -> None:
    """Bars of MB/s for each language, of the documents of 25 kB."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = [name for name in results["ASCII 25 kB"] if name != "none"]
    figure, axes = plt.subplots(1, len(LANGUAGES), figsize=(20, 4), sharey=True)
    for axis, language in zip(axes, LANGUAGES, strict=True):
        found = [results[f"{language} 25 kB"][name] for name in names]
        bars = axis.barh(names, found, color=["#2f6fb3" if name in SETTINGS else "#b8b8b8" for name in names])
        axis.bar_label(bars, fmt="%.0f", padding=3)
        axis.set(title=f"{language}, 25 kB", xlabel="MB/s, log scale", xscale="log", xlim=(1, 3000))
    axes[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print, write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--output", type=Path, default=Path("build/bench"))
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--memory-of", nargs=2, metavar=("LANGUAGE", "STRATEGY"))
    given = arguments.parse_args()
    if given.memory_of:
        print_peak_memory(*given.memory_of)
        return
    results: dict[str, dict[str, float]] = {}
    for language in LANGUAGES:
        splitters = ours() | others(spaced=language.startswith(SPACED))
        for label, size in SIZES.items():
            if not (label == "10 MB" and (given.quick or language not in VOCABULARY)):
                name = f"{language} {label}"
                texts = [document(language, size, number) for number in range(DOCUMENTS[label])]
                results[name] = speeds(splitters, texts, ROUNDS[label])
                show(name, results[name], language)
    peaks = {f"{language} {name}": peak_memory(language, name) for language in VOCABULARY for name in SETTINGS}
    print("\nPeak memory for 10 MB, in times its size")
    for name, times in peaks.items():
        print(f"  {name:24}{times:6.1f} x")
    given.output.mkdir(parents=True, exist_ok=True)
    (given.output / "chunking.json").write_text(json.dumps({"MB/s": results, "memory": peaks}, indent=1))
    plot(results, given.output / "chunking.png")


if __name__ == "__main__":
    main()
