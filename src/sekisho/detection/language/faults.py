"""What is wrong with a rule's text: said where it is found, placed where its line is known."""

from sekisho.kernel.i18n import Text, msg

READ_THE_SPECIFICATION = msg("Correct it as the Sigma specification 2.1 says.")


class LanguageError(Exception):
    """A part of a document cannot be meant; ``line`` 0 until somebody knows it."""

    def __init__(
        self, got: Text, expected: Text, fix: Text = READ_THE_SPECIFICATION, line: int = 0
    ) -> None:
        self.got, self.expected, self.fix, self.line = got, expected, fix, line
        super().__init__(str(got))

    def at(self, line: int) -> "LanguageError":
        """Return it with the line, unless it already knows a closer one."""
        self.line = self.line or line
        return self
