"""Errors that can be said in more than one language: an English sentence and its parameters.

Neither this room nor the agent may import the kernel, so the English sentence is the id under
which the command line finds the Japanese one. A parameter may be such ``Words`` itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Words:
    """A part of a sentence (“the enrolment kit”): the English id and its parameters."""

    text: str
    params: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in English."""
        return self.text % self.params if self.params else self.text


def words(text: str, /, **params: object) -> Words:
    """Make a part of a sentence; ``text`` must be a literal so that it can be extracted."""
    return Words(text, params)


class SaidError(Exception):
    """Something went wrong; the sentence says what was got and what was expected or is to do."""

    def __init__(self, text: str, /, **params: object) -> None:
        super().__init__(str(Words(text, params)))
        self.text = text
        self.params = params


class MessageError(SaidError, ValueError):
    """A message has the wrong shape; the text says what was got and what was expected."""
