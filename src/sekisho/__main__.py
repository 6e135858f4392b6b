"""``python -m sekisho``: the same as the command ``sekisho``."""

from sekisho.cli.main import run

run()
