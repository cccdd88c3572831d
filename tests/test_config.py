from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inferpoint.config import Config, combined, from_command_line
from inferpoint.errors import InferenceError
from inferpoint.model.cache import CacheSettings


@pytest.mark.parametrize(
    ("file", "environ", "flags", "expected"),
    [
        ({}, {}, {}, None),
        ({"cache": {}}, {}, {}, CacheSettings()),
        ({"cache": {"disk_bytes": 5}}, {}, {}, CacheSettings(disk_bytes=5)),
        ({}, {"INFERPOINT_CACHE_MEMORY_BYTES": "7"}, {}, CacheSettings(memory_bytes=7)),
        ({}, {}, {"cache_disk_bytes": "9"}, CacheSettings(disk_bytes=9)),
        (
            {"cache": {"memory_bytes": 1, "disk_bytes": 2}},
            {"INFERPOINT_CACHE_MEMORY_BYTES": "3", "INFERPOINT_CACHE_DISK_BYTES": "4"},
            {"cache_disk_bytes": "5"},
            CacheSettings(memory_bytes=3, disk_bytes=5),
        ),
        ({"cache": {}}, {"INFERPOINT_CACHE_MEMORY_BYTES": "0"}, {}, CacheSettings(memory_bytes=0)),
    ],
)
def test_a_table_is_set_by_file_variables_and_flags(
    file: dict[str, Any], environ: dict[str, str], flags: dict[str, str], expected: CacheSettings | None
) -> None:
    """Each goes before the one named earlier, setting by setting; an empty table is one of defaults."""
    before = repr(file)
    assert combined(file, environ, flags) == Config(cache=expected)
    assert repr(file) == before


@pytest.mark.parametrize(
    ("file", "environ", "problems"),
    [
        ({"cache": 5}, {}, ["[cache] is not of the expected type. The value [5] cannot be converted to a [Map]"]),
        ({"cache": 5}, {"INFERPOINT_CACHE_MEMORY_BYTES": "3"}, ["[cache] is not of the expected type"]),
        ({"cache": {"ttl": 1}}, {}, ["Cache settings contain unknown entries [{ttl=1}]"]),
        (
            {"cache": {"memory_bytes": -1}, "port": {}},
            {"INFERPOINT_CACHE_DISK_BYTES": "1e9"},
            ["[memory_bytes] must be greater than or equal to [0.0]", "[port]", "[disk_bytes]"],
        ),
    ],
)
def test_what_is_wrong_in_a_table_is_told(file: dict[str, Any], environ: dict[str, str], problems: list[str]) -> None:
    """All of it at once, wherever it was said."""
    with pytest.raises(InferenceError) as caught:
        combined(file, environ, {})
    assert all(problem in str(caught.value) for problem in problems)
    assert len(caught.value.problems) == len(problems)


def test_the_command_line_has_a_flag_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of a table have its name before their own, and the help shows and explains them."""
    file = tmp_path / "c.toml"
    file.write_text("[cache]\nmemory_bytes = 5\n")
    given = ["--config", str(file), "--cache-disk-bytes", "8", "--port", "1"]
    config = from_command_line(given, {}, "serve")
    assert config == Config(port=1, cache=CacheSettings(memory_bytes=5, disk_bytes=8))
    with pytest.raises(SystemExit):
        from_command_line(["--help"], {}, "serve")
    shown = capsys.readouterr().out
    assert "--cache-memory-bytes CACHE_MEMORY_BYTES" in shown
    flags = re.findall(r"^  (--\S+)(?: [A-Z_]+)?\s+([A-Z][a-z ].*)$", shown, re.MULTILINE)
    assert len(flags) == len(re.findall(r"^  --", shown, re.MULTILINE)) > 10
