"""The base of what can go wrong with the agent before a person: a sentence and its parameters.

The English sentence is also the id under which the command line finds the Japanese one.
"""


class AgentError(Exception):
    """Something could not be done; the text says what was got and what to do."""

    def __init__(self, text: str, /, **params: object) -> None:
        super().__init__(text % params if params else text)
        self.text = text
        self.params = params
