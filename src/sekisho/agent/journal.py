"""What the agent says while it runs: one line each on stderr, which systemd and launchd keep.

Not ``logging``: that package would cost the loop a megabyte for one line now and then.
"""

import sys


def say(text: str) -> None:
    """Write one line; line breaks inside it are shown as spaces, so that one event is one line."""
    sys.stderr.write(f"sekisho: {' '.join(text.split())}\n")
    sys.stderr.flush()
