"""Codex, executing: it reads two files with its own tool, thinking, and says what is in the second."""

import json
import os
import subprocess

from asking import GIVEN, MODEL, URL

PROVIDER = f'{{name="Inferpoint", base_url="{URL}/v1", wire_api="responses", env_key="API_KEY"}}'
SETTINGS = {
    "analytics.enabled": "false",
    "check_for_update_on_startup": "false",
    "features.plugins": "false",  # which it would fetch from their repository
    "model": json.dumps(MODEL),
    "model_provider": '"inferpoint"',
    "model_providers.inferpoint": PROVIDER,
    "model_reasoning_effort": '"high"',
    "model_supports_reasoning_summaries": "true",
    "show_raw_agent_reasoning": "true",
}
PROMPT = " ".join(f"Call exec_command with {json.dumps({'cmd': f'cat {path}'})}." for path in GIVEN["files"])


def told(lines: list[dict]) -> dict:
    """What it said last, what it thought first, and what it heard of errors in the place of either."""
    items = [line["item"] for line in lines if line["type"] == "item.completed"]
    errors = [line["error"]["message"] for line in lines if line["type"] == "turn.failed"]
    words = [item["text"] for item in items if item["type"] == "agent_message"]
    thoughts = [item["text"] for item in items if item["type"] == "reasoning"]
    return {"tools": (errors + words[-1:] + [""])[0], "thinking": "".join(thoughts[:1])}


settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
command = [f"{GIVEN['programs']}/codex", "exec", "--json", "--skip-git-repo-check", "--ephemeral", *settings]
done = subprocess.run(
    [*command, "--sandbox=danger-full-access", PROMPT],  # it reads two files of ours; not every container has sandboxes
    env={**os.environ, "API_KEY": "none"},
    stdin=subprocess.DEVNULL,
    cwd=os.environ["HOME"],
    capture_output=True,
    text=True,
    check=False,
)
lines = [json.loads(line) for line in done.stdout.splitlines()]
print(json.dumps(told(lines) if lines else {"tools": done.stderr, "thinking": ""}))
