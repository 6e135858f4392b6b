"""``sekisho serve web|worker|gate|envoy``: one process of the server in the foreground."""

import argparse
import asyncio
import logging
import os
import sys
import threading
from typing import NoReturn

from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.orphans import add_supervisor_option, leave_with

_LAST_LETTER_SECONDS = 5


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``serve``."""
    parser = nouns.add_parser("serve", help="run one process of the server")
    parser.add_argument("process", choices=("web", "worker", "gate", "envoy"))
    add_data_option(parser)
    add_supervisor_option(parser)
    parser.set_defaults(run=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Run the process until it is told to stop."""
    code = _serve(arguments)
    if arguments.process == "web":
        leave_at_once(code)
    return code


def leave_at_once(code: int) -> NoReturn:
    """End this process without taking the interpreter down around granian's threads.

    One that still tells of a closed connection then panics and aborts ("panic in a function that
    cannot unwind"), and the supervisor sees a death. All of ours is closed and committed by now.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve(arguments: argparse.Namespace) -> int:
    from sekisho.controls import service as controls  # noqa: PLC0415 - the agent has none
    from sekisho.server.bootstrap import open_house  # noqa: PLC0415 - the worker needs no web
    from sekisho.server.log import configure_logs  # noqa: PLC0415 - the same
    from sekisho.server.rulebook import Rulebook, open_rulebook  # noqa: PLC0415 - the same

    settings = read_settings(arguments)
    if arguments.process == "envoy":
        from sekisho.server.gate.envoy import become_envoy  # noqa: PLC0415 - the same

        become_envoy(settings, arguments.supervisor)
    leave_with(arguments.supervisor)
    configure_logs(settings.log_format, arguments.process)
    controls.put_in_force(open_rulebook(settings))
    with open_house(settings) as house:
        Rulebook(settings).refresh(house)  # the organisation's own content lies in the database
        if arguments.process == "web":
            from sekisho.server.certificates import ensure_certificate  # noqa: PLC0415 - the same
            from sekisho.server.listeners import serve_web  # noqa: PLC0415 - the same

            return asyncio.run(serve_web(house, ensure_certificate(house, ask=False)))
        if arguments.process == "gate":
            from sekisho.server.gate.process import serve_gate  # noqa: PLC0415 - the same

            return asyncio.run(serve_gate(house))
        from sekisho.server.chores import make_chores  # noqa: PLC0415 - the same
        from sekisho.server.outgoing import start_outgoing  # noqa: PLC0415 - the same
        from sekisho.server.worker import run_worker, stop_on_signals  # noqa: PLC0415 - the same

        stopping = threading.Event()
        stop_on_signals(stopping)
        outgoing = start_outgoing(house, stopping)
        run_worker(house, make_chores(house), stopping)
        outgoing.join(_LAST_LETTER_SECONDS)
    return 0
