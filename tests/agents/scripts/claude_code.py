"""Claude Code, printing: it reads two files with its own tool, thinking, and says what is in the second."""

import json
import os
import subprocess

from asking import GIVEN, MODEL, URL

# https://code.claude.com/docs/en/settings: what it would ask of others than the model, each off.
QUIET = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_BUG_COMMAND",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
)
SETTINGS = {
    "ANTHROPIC_BASE_URL": URL,
    "ANTHROPIC_API_KEY": "none",
    "ANTHROPIC_MODEL": MODEL,
    "ANTHROPIC_SMALL_FAST_MODEL": MODEL,
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "MAX_THINKING_TOKENS": "2048",
}
PROMPT = " ".join(f"Call Read with {json.dumps({'file_path': path})}." for path in GIVEN["files"])


def told(lines: list[dict]) -> dict:
    """What it said last, what it thought first, and how much of what was read came from a cache."""
    result = next(line for line in lines if line["type"] == "result")
    blocks = [block for line in lines if line["type"] == "assistant" for block in line["message"]["content"]]
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking"]
    cached = result["usage"]["cache_read_input_tokens"]
    return {"tools": result["result"], "thinking": "".join(thoughts[:1]), "cache": cached}


command = [f"{GIVEN['programs']}/claude", "--print", "--output-format=stream-json", "--verbose", "--allowedTools=Read"]
done = subprocess.run(
    command,
    input=PROMPT,
    env={**os.environ, **dict.fromkeys(QUIET, "1"), **SETTINGS},
    cwd=os.environ["HOME"],
    capture_output=True,
    text=True,
    check=False,
)
lines = [json.loads(line) for line in done.stdout.splitlines()]
print(json.dumps(told(lines) if lines else {"tools": done.stderr}))
