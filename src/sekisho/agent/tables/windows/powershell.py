"""Asks Windows through PowerShell and gets JSON back; no text for people is ever interpreted."""

import json
from collections.abc import Mapping
from typing import Any, cast

from sekisho.agent.table import Unreadable
from sekisho.agent.tables.commands import Run, answer, system_folder

SECONDS = 30.0
Answer = Mapping[str, Any]
"""One object of PowerShell's answer."""


def ask(run: Run, pipeline: str, *, timeout: float = SECONDS) -> list[Answer]:
    """Return the objects that a PowerShell pipeline gives; any error of it is ``Unreadable``."""
    output = run(command(pipeline), timeout=timeout)
    return parse(answer(output, "powershell"))


def command(pipeline: str) -> list[str]:
    """Return the command line: no profile, no questions, UTF-8, an error ends with 1."""
    script = (
        "$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue';"
        "[Console]::OutputEncoding=[Text.UTF8Encoding]::new($false);"
        f"ConvertTo-Json -Compress -Depth 4 -InputObject @({pipeline})"
    )
    program = system_folder() + r"\System32\WindowsPowerShell\v1.0\powershell.exe"
    return [program, "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", script]


def parse(text: str) -> list[Answer]:
    """Read the JSON array; empty or broken output is ``Unreadable``, ``[]`` is nothing there."""
    try:
        found = json.loads(text.lstrip("\ufeff"))
    except ValueError:
        raise Unreadable(f"PowerShell gave no JSON but {text[:60]!r}") from None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Unreadable("PowerShell gave JSON that is not a list of objects")
    return cast("list[Answer]", found)
