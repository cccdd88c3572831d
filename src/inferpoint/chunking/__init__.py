"""Long texts to chunks: where each begins and ends."""

from inferpoint.chunking.chunker import chunk, count_words, memory

__all__ = ["chunk", "count_words", "memory"]
