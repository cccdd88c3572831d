"""The gateways that are measured: how each is started, and how it wants to be asked.

Each is used as its documentation has it, with one process, its log and telemetry as quiet as they can be set, and no
key of its own wherever it starts without one. Those that are installed for this have an environment of their own,
`.venvs/bench-NAME`.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asking import Post
from processes import started
from works import CHAT, COMPLETION, HELD, OPENAI, Work, make

ROOT = Path(__file__).parents[2]
VENVS = ROOT / ".venvs"
_MODELS = [work.model for work in (*OPENAI, HELD)]


@dataclass(frozen=True)
class Gateway:
    """One gateway. Without a command it is the provider itself; without a URL it says that in its log."""

    name: str
    version: str = ""
    command: Sequence[str] = ()
    url: str = ""
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    prefix: str = ""
    models: Mapping[str, str] = field(default_factory=dict[str, str])  # the kind of request to its name of a model
    works: Sequence[Work] = OPENAI
    connections: int = 64  # more than so many make nothing end in a run

    def post(self, work: Work, url: str) -> Post:
        """A kind of request, as this gateway wants it."""
        body = dict(work.body)
        if kind := self.models.get(work.path):
            body["model"] = kind + body["model"]
        return Post(url + self.prefix + work.path, json.dumps(body, separators=(",", ":")).encode(), self.headers)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ours(name: str, folder: Path, provider: str, works: Sequence[Work], *more: str) -> Gateway:
    """Our server, with its endpoints already made."""
    folder.mkdir()
    arguments = ["-m", "inferpoint", "serve", f"--data-dir={folder / 'data'}", "--log-format=json"]
    with started([*arguments, "--port=0"], folder / "made.log") as (url, _):
        for work in works:
            make(url, provider, work)
    command = [sys.executable, *arguments, f"--port={(port := free_port())}", *more]
    return Gateway(
        name, _git(), command, f"http://127.0.0.1:{port}", works=[work for work in works if work is not HELD]
    )


def _git() -> str:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, check=False, text=True).stdout.strip()


def nginx(folder: Path, provider: str, *, tls: bool = False) -> Gateway:
    """The reverse proxy, which reads no body; with *tls* the double's own front of TLS 1.3."""
    folder.mkdir()
    port, secure = free_port(), ""
    if tls:
        certificate = ["-nodes", "-days=2", "-subj=/CN=127.0.0.1", "-addext=subjectAltName=IP:127.0.0.1"]
        made = ["openssl", "req", "-x509", "-newkey=ec", "-pkeyopt=ec_paramgen_curve:P-256", "-keyout=key", "-out=cert"]
        asked = [part for word in [*made, *certificate] for part in word.split("=", 1)]
        subprocess.run(asked, cwd=folder, check=True, capture_output=True)
        secure = f"ssl_certificate {folder}/cert; ssl_certificate_key {folder}/key; ssl_protocols TLSv1.3;"
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {folder}/pid; error_log /dev/stderr warn; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; {temporary}
  upstream provider {{ server {provider.removeprefix("http://")}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048 {"ssl" if tls else ""}; {secure}
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
    }}
  }}
}}
""")
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    told = subprocess.run(["nginx", "-v"], capture_output=True, check=True, text=True).stderr
    scheme = "https" if tls else "http"
    return Gateway("nginx", told.strip().rpartition("/")[2], command, f"{scheme}://127.0.0.1:{port}")


def litellm(folder: Path, provider: str) -> Gateway:
    """LiteLLM's proxy."""
    folder.mkdir()
    rows = [
        {
            "model_name": model,
            "litellm_params": {"model": f"openai/{model}", "api_base": f"{provider}/v1", "api_key": "x"},
        }
        for model in _MODELS
    ]
    config = {"model_list": rows, "litellm_settings": {"num_retries": 0, "request_timeout": 60}}
    (folder / "config.yaml").write_text(json.dumps(config))
    port = free_port()
    command = [str(VENVS / "bench-litellm/bin/litellm"), "--config", str(folder / "config.yaml"), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"]
    environ = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    environ["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"  # as the others: no keys, loopback alone
    version = _locked("litellm")
    return Gateway("litellm", version, command, f"http://127.0.0.1:{port}", environ, connections=4)


def portkey(_folder: Path, provider: str) -> Gateway:
    """Portkey's gateway on Node, with `portkey.mjs` loaded first, without which it answers 500 to half of the work."""
    package = VENVS / "bench-portkey/node_modules/@portkey-ai/gateway"
    port = free_port()
    command = ["node", "--import", str(Path(__file__).parent / "portkey/preload.mjs")]
    command += [str(package / "build/start-server.js"), "--headless", f"--port={port}"]
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{provider}/v1", "Authorization": "Bearer x"}
    version = json.loads((package / "package.json").read_text())["version"]
    return Gateway("portkey", version, command, f"http://127.0.0.1:{port}", headers=headers)


def tensorzero(folder: Path, provider: str) -> Gateway:
    """TensorZero's HTTP gateway in Rust, which its wheel carries."""
    folder.mkdir()
    lines = ["[gateway]", "observability.enabled = false", "disable_pseudonymous_usage_analytics = true"]
    for model in _MODELS:
        kind = "embedding_models" if model in {"one", "many"} else "models"
        lines += [f"[{kind}.{model}]", 'routing = ["double"]', f"[{kind}.{model}.providers.double]", 'type = "openai"']
        lines += [f'model_name = "{model}"', f'api_base = "{provider}/v1"', 'api_key_location = "none"']
    (folder / "config.toml").write_text("\n".join(lines))
    started_here = (
        "import signal, sys, tensorzero; "
        "gateway = tensorzero._start_http_gateway(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, "
        "valkey_url=None, async_setup=False); print(gateway.base_url, flush=True); signal.pause()"
    )
    python = str(VENVS / "bench-tensorzero/bin/python")
    command = [python, "-c", started_here, str(folder / "config.toml")]
    models = {
        "/v1/chat/completions": "tensorzero::model_name::",
        "/v1/embeddings": "tensorzero::embedding_model_name::",
    }
    return Gateway("tensorzero", _locked("tensorzero"), command, prefix="/openai", models=models)


def _locked(name: str) -> str:
    version = re.search(rf"^{name}==(\S+)", (ROOT / f"requirements/bench-{name}.txt").read_text(), re.MULTILINE)
    assert version is not None
    return version[1]


PEERS: Mapping[str, Callable[[Path, str], Gateway]] = {
    "nginx": nginx,
    "tensorzero": tensorzero,
    "portkey": portkey,
    "litellm": litellm,
}
VARIANTS = {"tls": "TLS to the provider", "workers": "two workers"}


def missing(name: str) -> str:
    """What a peer lacks on this machine; nothing when it can be started."""
    if name == "nginx":
        return "" if shutil.which("nginx") else "nginx is not installed"
    if name == "portkey" and not shutil.which("node"):
        return "Node is not installed"
    return "" if (VENVS / f"bench-{name}").exists() else f".venvs/bench-{name} is not installed: `make bench` does"


def ours_and_variants(folder: Path, provider: str, secure: str) -> list[Gateway]:
    """Our server with everything asked of it, and for a chat alone by two workers and with TLS."""
    works = (*OPENAI, COMPLETION)
    all_ = [
        ours("inferpoint", folder / "ours", provider, (*works, HELD)),
        ours(VARIANTS["workers"], folder / "workers", provider, (CHAT,), "--workers=2"),
    ]
    if secure:
        variant = ours(VARIANTS["tls"], folder / "secured", secure, (CHAT,))
        all_.append(replace(variant, environ={"SSL_CERT_FILE": str(folder / "tls/cert")}))
    return all_
