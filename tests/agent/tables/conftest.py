"""What the tests of this folder share."""

from pathlib import Path

import pytest

from support.linux_computer import PASSWD, Computer


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path)
    made.write("/etc/passwd", PASSWD)
    return made
