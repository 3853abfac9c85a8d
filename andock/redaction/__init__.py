"""Takes secrets out of text: those that are known by value, and what has the shape of one. No I/O."""

from andock.redaction.forms import SHORTEST
from andock.redaction.redactor import SHAPES_ONLY, Redactor, Stream
from andock.redaction.shapes import MARK, read_pattern

__all__ = ["MARK", "SHAPES_ONLY", "SHORTEST", "Redactor", "Stream", "read_pattern"]
