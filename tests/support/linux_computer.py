"""A made-up Linux computer: files in a folder, and programs that say what was written down."""

from collections.abc import Sequence
from pathlib import Path

from sekisho.agent.table import Row, UnreadableError, Where
from sekisho.agent.tables.commands import Output
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.linux import tables

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/:/usr/sbin/nologin
hanako:x:1000:1000:山田 花子,,,:/home/hanako:/bin/bash
torn:x:1001
"""


class Computer:
    """A folder that stands for a computer's root, with commands answered from a table."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.answers: dict[str, Output] = {}
        self.uid = 0

    def write(self, path: str, content: str | bytes = "") -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def says(self, command: str, text: str, code: int = 0, errors: str = "") -> None:
        self.answers[command] = Output(text, errors, code)

    def run(self, argv: Sequence[str], **_: object) -> Output:
        line = " ".join(argv)
        for command, output in self.answers.items():
            if line.startswith(command):
                return output
        raise UnreadableError(f"the command {argv[0]} is not installed on this computer")

    def read(self, name: str, where: Where | None = None) -> list[Row]:
        host = Host(root=self.root, run=self.run, uid=self.uid, clock=lambda: 1_795_395_600.0)
        return list({table.name: table for table in tables(host)}[name].rows(where or {}))
