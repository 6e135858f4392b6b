"""Records that stand one a line in one text: cut out of it only where one is asked for (pure)."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

_OPEN, _CLOSE = b"{}"


class Lines:
    """The records of a batch in one text; searches go over ``whole``, most lines are never cut.

    A line feed at the end belongs to the last line. ``even`` says that each line begins and ends
    as an object does. No value of JSON has such an end of a line within, so a text of n such lines
    with n values has one value on each of them. ``ascii`` says that there is no other letter,
    ``plain`` that no ASCII is written as an escape but what has to be.
    """

    __slots__ = ("_apart", "_ends", "ascii", "even", "plain", "whole")

    def __init__(self, whole: bytes) -> None:
        self.whole = whole
        self._apart: Sequence[str | bytes] = ()
        self._ends, self.even = _cut(whole)
        self.ascii, self.plain = whole.isascii(), False

    @classmethod
    def of(cls, records: Sequence[str]) -> "Lines":
        """Return the lines of objects in JSON as the package ``evtx`` writes them."""
        lines = cls.__new__(cls)
        text = "\n".join(records)
        lines.ascii, lines.plain = text.isascii(), True
        if lines.ascii:
            lines._apart, lines.whole = records, text.encode()  # noqa: SLF001 # it is one
        else:  # one letter beyond ASCII makes all of them dear to encode
            apart = list(map(str.encode, records))
            lines._apart, lines.whole = apart, b"\n".join(apart)  # noqa: SLF001
        lines._ends = []  # noqa: SLF001 # seldom asked for
        lines.even = True
        return lines

    def __len__(self) -> int:
        return len(self._apart or self._ends)

    def __getitem__(self, at: int) -> bytes:
        if self._apart:
            one = self._apart[at]
            return one.encode() if isinstance(one, str) else one
        return self.whole[self._ends[at - 1] + 1 if at else 0 : self._ends[at]]

    def at(self, to: int) -> int:
        """Return in which line a text stands that ends before ``to``."""
        if not self._ends:
            self._ends = [end - 1 for end in accumulate([len(one) + 1 for one in self._apart])]
        return bisect_left(self._ends, to)


def _cut(whole: bytes) -> tuple[list[int], bool]:
    """Return where the lines end, and whether each of them begins and ends as an object does."""
    ends: list[int] = []
    find, add, end = whole.find, ends.append, -1
    stop = len(whole) - (whole[-1:] == b"\n")
    even = whole[:1] == b"{" and whole[max(stop - 2, 0) : stop].rstrip(b"\r")[-1:] == b"}"
    while (end := find(b"\n", end + 1, stop)) >= 0:
        add(end)
        if even and (whole[end - 1] != _CLOSE or whole[end + 1] != _OPEN):
            even = whole[end - 2 : end] == b"}\r" and whole[end + 1] == _OPEN
    ends.append(stop)
    return ends, even
