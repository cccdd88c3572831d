"""The jobs that commands are about, and the endpoints that these ask: of a folder, or of a server."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from inferpoint.bulk import manifest
from inferpoint.bulk.inference import Inference
from inferpoint.bulk.job import Spec
from inferpoint.bulk.jobs import Jobs
from inferpoint.cli.remote import URL, api_key
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.library.backend import Backend
from inferpoint.library.endpoint import EndpointInference
from inferpoint.library.jobs import place, spool
from inferpoint.model.endpoint import TaskType


class Endpoints:
    """The endpoints of the folder *data_dir*, and of servers, asked with the key in *key_file*.

    A *server* is asked in place of what a job names. Endpoints that do not embed are refused where a command *embeds*,
    and those that do where it does not.
    """

    def __init__(
        self, data_dir: Path, key_file: Path | None, *, embeds: bool | None = None, server: str | None = None
    ) -> None:
        self._data_dir = data_dir
        self._key_file = key_file
        self._embeds = embeds
        self._server = server

    @contextlib.asynccontextmanager
    async def open(self, spec: Spec) -> AsyncGenerator[Inference]:
        """The endpoint that *spec* names, as long as it is used."""
        backend = self._backend(spec)
        try:
            await backend.open()
        except InferenceError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            raise InferenceError(Kind.CONFLICT, f"{error}: where that is a server, ask it by --server {URL}") from None
        try:
            if self._embeds is not None:
                _refuse_other_task((await backend.get(spec.endpoint))["task_type"], spec, embeds=self._embeds)
            yield EndpointInference(backend, spec.endpoint)
        finally:
            await backend.close()

    def _backend(self, spec: Spec) -> Backend:
        if (server := self._server or spec.server) is not None:
            from inferpoint.library.remote import Remote  # noqa: PLC0415 - one of the two is read

            return Remote(server, api_key(self._key_file), validate=True)
        from inferpoint.library.inprocess import InProcess  # noqa: PLC0415

        return InProcess(self._data_dir, validate=True)


@contextlib.asynccontextmanager
async def jobs(data_dir: Path, endpoints: Endpoints | None = None) -> AsyncGenerator[Jobs]:
    """The jobs that are written down where *data_dir* or the environment says."""
    written = await asyncio.to_thread(manifest.opened, place(os.environ, data_dir))
    endpoints = endpoints or Endpoints(data_dir, None)
    opened = Jobs(written, endpoints.open, spool=spool(data_dir))
    try:
        yield opened
    finally:
        await opened.close()


def _refuse_other_task(task_type: str, spec: Spec, *, embeds: bool) -> None:
    if TaskType(task_type) is TaskType.COMPLETION and embeds:
        raise invalid(f"[{spec.endpoint}] is for [completion]: `inferpoint complete` has prompts completed")
    if TaskType(task_type).embeds and not embeds:
        raise invalid(f"[{spec.endpoint}] is for [{task_type}]: `inferpoint embed` has texts embedded")
