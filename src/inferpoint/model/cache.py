"""How much may be remembered of what was embedded, so that no text is paid for twice."""

from __future__ import annotations

from inferpoint.model.settings import setting, settings


@settings
class CacheSettings:
    """A cache of embeddings; 0 bytes is none."""

    memory_bytes: int = setting(
        "How many bytes of memory it may take; 0 for none.", default=64 * 1024 * 1024, at_least=0, wide=True
    )
    disk_bytes: int = setting(
        "How many bytes of the data folder it may take; 0 for none.", default=0, at_least=0, wide=True
    )

    @property
    def keeps(self) -> bool:
        """Whether anything may be kept."""
        return self.memory_bytes > 0 or self.disk_bytes > 0
