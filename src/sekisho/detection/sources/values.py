"""JSON of any layout: an array, one value beside the other, pretty-printed over many lines.

Read piece by piece, so that memory holds one value and a block; a value that is no JSON is told
and reading goes on behind it.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from sekisho.detection.sources.lines import TooLong

_BLOCK = 1024 * 1024
_BETWEEN = re.compile(r"[\s,;\]\x00\x1e\ufeff]*")
_NEXT = re.compile(r"[\r\n,]\s*(?=[{\[])")
_NEAR_THE_END = 64
_DECODER = json.JSONDecoder()


class Damaged:
    """A stretch that is no JSON value; passed over."""


class ValueReader:
    """Reads the values of one stream; ``longest`` bounds one value, in characters."""

    def __init__(self, stream: BinaryIO, encoding: str, longest: int) -> None:
        self._stream, self._longest = stream, longest
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._text, self._at, self._ended = "", 0, False

    def read(self) -> Iterator[Any | Damaged | TooLong]:
        """Yield the values in order; of an array its elements."""
        self._fill(_BLOCK)
        self._step_into_array()
        while self._skip_between():
            yield self._next()

    def _fill(self, wanted: int) -> None:
        """Read on until ``wanted`` characters lie ahead or the stream ends."""
        parts = [self._text[self._at :]]
        ahead = len(parts[0])
        while ahead < wanted and not self._ended:
            block = self._stream.read(_BLOCK)
            self._ended = not block
            parts.append(self._decoder.decode(block, final=not block))
            ahead += len(parts[-1])
        self._text, self._at = "".join(parts), 0

    def _step_into_array(self) -> None:
        found = re.match(r"[\s\ufeff]*\[", self._text)
        if found:
            self._at = found.end()

    def _skip_between(self) -> bool:
        """Go to the next value; False at the end of the stream."""
        while True:
            found = _BETWEEN.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return True
            if self._ended:
                return False
            self._fill(_BLOCK)

    def _next(self) -> Any | Damaged | TooLong:
        wanted = _BLOCK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._may_go_on(error):
                    if wanted > self._longest:
                        return self._pass_over(TooLong(wanted))
                    wanted *= 2
                    self._fill(wanted)
                    continue
                return self._pass_over(Damaged())
            if end == len(self._text) and not self._ended and not isinstance(value, dict | list):
                self._fill(len(self._text) - self._at + _BLOCK)  # a number may go on
                continue
            self._at = end
            return value

    def _may_go_on(self, error: Exception) -> bool:
        """Say whether the value may only be cut off by the end of what was read."""
        if self._ended or not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _NEAR_THE_END

    def _pass_over(self, said: Damaged | TooLong) -> Damaged | TooLong:
        """Go on at the next line that may begin a value."""
        self._at += 1
        while True:
            if found := _NEXT.search(self._text, self._at):
                self._at = found.end()
                return said
            self._at = len(self._text)
            if self._ended:
                return said
            self._fill(_BLOCK)
