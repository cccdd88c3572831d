"""`/openapi.json` and `/docs`: what the server can be asked, for machines and for people."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import resources

import msgspec

from inferpoint.api.face import Face, Request, Response, Route
from inferpoint.api.openapi.description import ANYTHING, TEXT, Form, Schema, either, one_of, ref, text_of, told
from inferpoint.api.openapi.document import document
from inferpoint.engine.engine import Engine

DOCUMENT, PAGE = "/openapi.json", "/docs"
_HTML = "text/html; charset=utf-8"
_INLINE = re.compile("<(style|script)>(.*?)</", re.DOTALL)
_SCHEMAS: dict[str, Schema] = {
    "Status": told({"status": one_of("alive", "ready", "stopping")}),
    "Exposition": text_of("text/plain", "Prometheus' text form."),
    "OpenAPI": told({"openapi": TEXT, "info": ANYTHING, "paths": ANYTHING, "components": ANYTHING}),
    "Page": text_of("text/html", "A page that shows the document, and needs nothing else."),
    "OperationError": either(ref("Error"), ref("Status")),
}


def routes(faces: Sequence[Face], operations: Sequence[Route]) -> tuple[Route, ...]:
    """The two routes; the document is of all *faces*, and of the *operations*, which are in the form of the first."""

    @cache
    def written() -> bytes:
        first = faces[0]
        title, text = "Operations", "What watches the server and tells of it. No provider is called."
        about = replace(first.description, title=title, text=text, schemas=lambda: _SCHEMAS, errors=("OperationError",))
        described = [*((face, face.description, face.routes) for face in faces), (first, about, [*operations, *own])]
        return msgspec.json.encode(document(described))

    async def openapi(_engine: Engine, _request: Request) -> Response:
        """This document."""
        return Response(body=written())

    async def docs(_engine: Engine, _request: Request) -> Response:
        """This document for people."""
        body, headers = _page()
        return Response(body=body, content_type=_HTML, headers=headers)

    own = (
        Route("GET", DOCUMENT, openapi, form=Form(gives="OpenAPI"), keyless=True),
        Route("GET", PAGE, docs, form=Form(gives="Page"), keyless=True),
    )
    return own


@cache
def _page() -> tuple[bytes, dict[str, str]]:
    """The page, and headers by which a browser runs what stands in it and nothing else."""
    text = resources.files("inferpoint.api.openapi").joinpath("page.html").read_text("utf-8")
    hashes = {kind: f"'sha256-{_digest(inner)}'" for kind, inner in _INLINE.findall(text)}
    policy = {
        "default-src": "'none'",
        "style-src": hashes["style"],
        "script-src": hashes["script"],
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return text.encode(), {
        "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }


def _digest(inline: str) -> str:
    return base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
