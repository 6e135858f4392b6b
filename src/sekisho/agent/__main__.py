"""The agent's process: ``python -m sekisho.agent --state DIR`` or ``--user``.

Started by ``sekisho agent run``, without the command line's own imports, so that it stays small.
"""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from sekisho.agent import cadence
from sekisho.agent.builtin import current_platform
from sekisho.agent.enrol import STATE_FILE, EnrolmentError, open_session
from sekisho.agent.helper import Helper, own_folder
from sekisho.agent.journal import say
from sekisho.agent.loop import Loop, Stop, sleepless_clock
from sekisho.agent.state import State, StateError
from sekisho.agent.tables import tables_for
from sekisho.agent.watch import Watcher, sources_for
from sekisho.wire.errors import MessageError
from sekisho.wire.kit import Ownership

_USAGE = "usage: python -m sekisho.agent --state DIR | --user"
_STATE_WORDS = 2
_SUPERVISED_WORDS = 4


def run_agent(folder: Path, supervisor: int = 0) -> int:
    """Run the loop of the device enrolled in ``folder`` until SIGTERM.

    ``supervisor`` is the process without which this one is to end too; 0: none.
    """
    session = open_session(State(folder / STATE_FILE))
    private = session.kit.ownership is Ownership.PRIVATE
    watcher = Watcher(sources_for(session.platform, Path.home() if private else None))
    loop = Loop(session, _first_plan(session.state), watcher.find_changes, Stop(supervisor))
    loop.stop.listen()
    say(f"running for {session.kit.organisation}, memory in {session.state.path}")
    # What was made so far stays for good; not walking it again keeps its pages shared and cold.
    gc.collect()
    gc.freeze()
    loop.run()
    session.state.close()
    return 0


def _first_plan(state: State) -> cadence.Plan:
    """Spread devices evenly: the splay follows from the device's identifier."""
    spread = crc32(state.get("host_identifier").encode()) % 2001 / 1000 - 1
    return cadence.start(sleepless_clock(), enrolled=bool(state.get("node_key")), splay=spread)


def run_helper() -> int:
    """Serve the system service from this user's session until SIGTERM."""
    import os  # noqa: PLC0415 - POSIX only

    if sys.platform == "win32":
        say("Windows needs no helper: the service reads the settings of signed-in users itself")
        return 0
    stop = Stop()
    stop.listen()
    clients = frozenset({0, os.getuid()})
    helper = Helper(own_folder(), tables_for(current_platform()), clients)
    say(f"helping at {helper.path}")
    while not stop.requested:
        helper.serve_once()
    helper.close()
    return 0


def _is_supervised(arguments: Sequence[str]) -> bool:
    return (
        len(arguments) == _SUPERVISED_WORDS
        and tuple(arguments[::2]) == ("--state", "--supervisor")
        and arguments[3].isdecimal()
    )


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; 2 means that it could not be started, and stderr says why."""
    try:
        if list(arguments) == ["--user"]:
            return run_helper()
        if len(arguments) == _STATE_WORDS and arguments[0] == "--state":
            return run_agent(Path(arguments[1]))
        if _is_supervised(arguments):
            return run_agent(Path(arguments[1]), int(arguments[3]))
    except (EnrolmentError, StateError, MessageError, OSError) as error:
        say(str(error))
        return 2
    say(_USAGE)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
