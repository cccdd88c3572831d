"""What a text is cut before: Java's regular expressions, with a limit to the time that they may take.

The two groups that have names are expressions of our own, which take time in proportion to the text.
"""
from __future__ import annotations
class Separators: ...
