from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inferpoint.config import Config, combined, unknown_variables
from inferpoint.errors import InferenceError
from inferpoint.flags import from_command_line
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
    config, _ = from_command_line(given, {}, "serve")
    assert config == Config(port=1, cache=CacheSettings(memory_bytes=5, disk_bytes=8))
    with pytest.raises(SystemExit):
        from_command_line(["--help"], {}, "serve")
    shown = capsys.readouterr().out
    assert "--cache-memory-bytes N" in shown
    flags = re.findall(r"^  (--\S+)(?: [A-Za-z_|]+)?\s+([A-Z][a-z ].*)$", shown, re.MULTILINE)
    assert len(flags) == len(re.findall(r"^  --", shown, re.MULTILINE)) > 10


def test_help_tells_all_of_a_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variable, the values it takes and its default; and what the exit status means."""
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        from_command_line(["--help"], {}, "serve")
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(r"--log-format text\|json +How to .* \[INFERPOINT_LOG_FORMAT, default: text\]", shown)
    assert "[INFERPOINT_PORT, 0 to 65535, default: 9210]" in shown
    assert "[INFERPOINT_MAX_CHUNK_SIZE, 20 or more, default: 300]" in shown
    assert "[INFERPOINT_INSECURE=true]" in shown
    assert "Exit status: " in shown


def test_variables_that_set_nothing_are_named() -> None:
    """With the one that was meant, where one is alike; those of others do not matter, and ours are all known."""
    known = ("CONFIG", "URL", "SECRET_KEY", "SECRET_KEY_FILE", "INHERITED", "PORT", "CACHE_MEMORY_BYTES")
    ours = {f"INFERPOINT_{name}": "" for name in known}
    wrong = {"INFERPOINT_PROT": "1", "INFERPOINT_SERVICE_HOST": "10.0.0.1"}
    assert list(unknown_variables({**ours, **wrong, "PATH": "/bin"})) == [
        "The variable [INFERPOINT_PROT] sets nothing, did you mean [INFERPOINT_PORT]",
        "The variable [INFERPOINT_SERVICE_HOST] sets nothing",
    ]
