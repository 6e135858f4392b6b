"""``sekisho up``: everything on one machine, ready to be signed in to.

Starts web and worker, prints the address and (while nobody can sign in yet) a one-time
first-admin link, and enrols this very machine as the first device after asking.
"""

import argparse
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import msgspec

from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import main, speaking
from sekisho.kernel.errors import (
    ConflictError,
    InvalidInputError,
    SekishoError,
    UnavailableError,
)
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.settings import Address, Settings, save_settings
from sekisho.server.apart import do_apart
from sekisho.server.folder import hold_folder, is_enrolled, prepare_data
from sekisho.server.forked import CAN_FORK, ForkedProcess, preload
from sekisho.server.log import configure_logs, open_log
from sekisho.server.supervise import Child, Supervisor, own_command, quiet_environment

_READY_SECONDS = 45
_LISTENERS = ("public", "intake", "admin", "gate", "gate_browser")


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``up``."""
    parser = nouns.add_parser("up", help="start everything on this machine")
    add_data_option(parser)
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where devices and people reach this server (default 127.0.0.1:8443)",
    )
    parser.add_argument(
        "--admin",
        metavar="HOST:PORT",
        help="where the first sign-in is served (default 127.0.0.1:8480)",
    )
    parser.add_argument("--intake", metavar="HOST:PORT", help="where logs arrive")
    parser.add_argument("--gate", metavar="HOST:PORT", help="where known devices reach apps")
    parser.add_argument(
        "--gate-browser",
        metavar="HOST:PORT",
        help="where browsers without a device's certificate do",
    )
    parser.add_argument("--gate-name", metavar="NAME", help="the gate's DNS name")
    parser.add_argument("--envoy", metavar="PROGRAM", help="the Envoy to run, or “off”: no gate")
    parser.add_argument("--public-name", metavar="NAME", help="the DNS name others use")
    parser.add_argument("--certificate", metavar="PEM", help="the organisation's own certificate")
    parser.add_argument("--certificate-key", metavar="PEM", help="and its key")
    parser.add_argument("--acme-directory", metavar="URL", help="get a certificate by ACME there")
    parser.add_argument("--acme-email", metavar="ADDRESS", help="the contact of the ACME account")
    parser.add_argument("--time-zone", metavar="NAME", help="of times on pages: Asia/Tokyo")
    parser.add_argument("--organisation", metavar="NAME", help="its name, as pages show it")
    parser.add_argument("--database-url", metavar="URL", help="PostgreSQL instead of SQLite")
    parser.add_argument("--yes", action="store_true", help="enrol this machine without asking")
    parser.add_argument("--no-device", action="store_true", help="do not enrol this machine")
    parser.set_defaults(run=up)  # fmt: skip


def up(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    settings = _settings(arguments)
    prepare_data(settings.data)
    with hold_folder(settings.data), _logging(settings, arguments) as file:
        settings = replace(
            settings,
            public=_free(settings.public),
            intake=_free(settings.intake),
            admin=_free(settings.admin),
            gate=_free(settings.gate),
            gate_browser=_free(settings.gate_browser),
        )
        save_settings(settings)  # with the ports chosen, so that other commands find this server
        has_gate = do_apart(lambda: _has_gate(settings))
        if CAN_FORK:
            preload(has_gate=has_gate)
        do_apart(lambda: _prepare(settings, has_gate=has_gate))
        supervisor = Supervisor(_children(settings, file, has_gate=has_gate))
        supervisor.start()
        try:
            _wait_until_ready(settings, supervisor)
            if not supervisor.stopping:
                _announce(settings, arguments, file, has_gate=has_gate)
                _first_device(settings, arguments, supervisor, file)
            supervisor.run()
        finally:
            supervisor.stop()
    return 0


def _prepare(settings: Settings, *, has_gate: bool) -> None:
    from sekisho.server import start  # noqa: PLC0415 - only in the child that does it

    start.prepare(settings, has_gate=has_gate)


def _issue_link(settings: Settings) -> str | None:
    from sekisho.server import start  # noqa: PLC0415 - the same

    return start.issue_link(settings)


def _enrol(settings: Settings, state: Path) -> None:
    from sekisho.server.first_device import enrol_this_machine  # noqa: PLC0415 - the same

    enrol_this_machine(settings, state)


@contextmanager
def _logging(settings: Settings, arguments: argparse.Namespace) -> Iterator[TextIO | None]:
    """Log to stderr; but where a person looks on, to a file, so that they can read what we say."""
    if arguments.format == "json" or not sys.stderr.isatty():
        configure_logs(settings.log_format, "up")
        yield None
        return
    with open_log(settings.data) as file:
        configure_logs(settings.log_format, "up", file)
        yield file


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = read_settings(
        arguments,
        public=arguments.listen,
        admin=arguments.admin,
        intake=arguments.intake,
        gate=arguments.gate,
        gate_browser=arguments.gate_browser,
        gate_name=arguments.gate_name,
        envoy=arguments.envoy,
        public_name=arguments.public_name,
        certificate=arguments.certificate,
        certificate_key=arguments.certificate_key,
        acme_directory=arguments.acme_directory,
        acme_email=arguments.acme_email,
        organisation=arguments.organisation,
        time_zone=arguments.time_zone,
        database_url=arguments.database_url,
    )
    if arguments.listen and settings.public.port == 0:  # "any port" means so for all not named
        unnamed = [name for name in _LISTENERS[1:] if not getattr(arguments, name)]
        free = {name: replace(getattr(settings, name), port=0) for name in unnamed}
        settings = replace(settings, **free)
    return settings


def _free(address: Address) -> Address:
    """Check that nobody listens there yet; choose a port where any will do.

    Raises ConflictError naming the address, because a second listener could otherwise share
    the port unnoticed (SO_REUSEPORT).
    """
    address = _numbered(address)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise ConflictError(
                msg("%(address)s cannot be listened on: %(why)s", address=address, why=error),
                hint=msg("Stop what uses it, or choose another with --listen, --admin, --intake."),
            ) from error
        return Address(address.host, int(probe.getsockname()[1]))


def _numbered(address: Address) -> Address:
    """Return the address with its host as a number (“localhost”); raise InvalidInputError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidInputError(
            msg("%(address)s: there is no such host on this machine: %(why)s",
                address=address, why=error),
            hint=msg("Name an address of this machine, such as 127.0.0.1 or 0.0.0.0."),
        ) from error  # fmt: skip
    family_first = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return replace(address, host=str(family_first[0][4][0]))


def _has_gate(settings: Settings) -> bool:
    """Find or fetch Envoy; without one everything but the gate runs, and that is said."""
    from sekisho.server.gate.envoy import OFF, find_envoy  # noqa: PLC0415 - no other command does

    if settings.envoy == OFF:
        return False
    try:
        find_envoy(settings.envoy, settings.data)
    except SekishoError as error:
        _say(msg("The gate does not start: %(why)s", why=error.message), sys.stderr)
        if str(error.hint):
            print(f"  → {translate(error.hint, speaking())}", file=sys.stderr)
        return False
    return True


def _children(settings: Settings, file: TextIO | None, *, has_gate: bool) -> list[Child]:
    addresses = {f"SEKISHO_{n.upper()}": str(getattr(settings, n)) for n in _LISTENERS}
    environment = quiet_environment(os.environ, **addresses)  # noqa: TID251 - handed to children
    options = ("--data", str(settings.data), "--supervisor", str(os.getpid()))
    names = ("worker", "web", *(("gate", "envoy") if has_gate else ()))
    return [
        Child(name, own_command("serve", name, *options), environment, output=_number(file),
              start_with=_fork if CAN_FORK and name != "envoy" else None)
        for name in names
    ]  # fmt: skip


def _fork(child: Child) -> ForkedProcess:
    """Start ``sekisho serve …`` from what this process has loaded, without a new interpreter."""
    words = child.command[child.command.index("serve"):]  # fmt: skip
    title = f"sekisho {' '.join(words)}"
    return ForkedProcess(title, lambda: main(words), child.environment, child.output)


def _number(file: TextIO | None) -> int | None:
    return None if file is None else file.fileno()


def _wait_until_ready(settings: Settings, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not supervisor.stopping:
        if _answers(settings.admin):
            return
        if time.monotonic() > deadline:
            raise UnavailableError(
                msg("The web process did not answer within %(n)s seconds.", n=_READY_SECONDS),
                hint=msg(
                    "Its log says why (%(data)s/sekisho.log, or above); `sekisho doctor` "
                    "looks further.",
                    data=settings.data,
                ),
            )
        supervisor.turn()
        time.sleep(0.1)


def _answers(address: Address) -> bool:
    """Tell whether the health page says 200; an HTTP library would stay in memory for this."""
    question = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((address.host, address.port), timeout=2) as connection:
            connection.sendall(question)
            return connection.recv(64).partition(b" ")[2].startswith(b"200")
    except OSError:
        return False


def _announce(
    settings: Settings, arguments: argparse.Namespace, file: TextIO | None, *, has_gate: bool
) -> None:
    token = do_apart(lambda: _issue_link(settings))
    link = f"{settings.admin_url}{token}" if token else None
    if arguments.format == "json":
        ready = {"ready": True, "url": settings.admin_url, "first_admin_url": link,
                 "data": str(settings.data), "public_url": settings.public_url,
                 "gate": settings.gate_url if has_gate else None}  # fmt: skip
        print(msgspec.json.encode(ready).decode(), flush=True)
        return
    print()
    _say(msg("Sekisho is running."))
    _say(msg("  Sign in here:        %(url)s", url=settings.admin_url))
    if link:
        _say(msg("  First administrator: %(url)s", url=link))
        _say(msg("  (this link works once, for one hour; `sekisho admin link` makes another)"))
    _say(msg("  Devices reach it at: %(url)s", url=settings.public_url))
    if has_gate:
        _say(msg("  Apps behind the gate: %(url)s", url=f"{settings.portal_url}/my/apps"))
    if not settings.public_name:
        _say(msg("  Only this machine can reach it; for others: "
                 "sekisho up --listen 0.0.0.0:8443 --public-name NAME"))  # fmt: skip
    _say(msg("  Data:                %(data)s", data=settings.data))
    if file is not None:
        _say(msg("  Log:                 %(path)s", path=file.name))
        _say(msg("  Ctrl-C stops it."))
    print(flush=True)


def _first_device(
    settings: Settings,
    arguments: argparse.Namespace,
    supervisor: Supervisor,
    file: TextIO | None,
) -> None:
    state = settings.data / "this-device"
    if not is_enrolled(state):
        if not _agreed(arguments, supervisor):
            return
        try:
            do_apart(lambda: _enrol(settings, state))
        except UnavailableError as error:
            _say(msg("This machine is not enrolled: %(why)s", why=error.message), sys.stderr)
            return
    environment = quiet_environment(os.environ)  # noqa: TID251 - handed to the agent
    own = ("--state", str(state), "--supervisor", str(os.getpid()))
    command = own_command("agent", "run", *own)
    supervisor.add(Child("agent", command, environment, output=_number(file)))
    if arguments.format == "text":
        _say(msg("This machine is enrolled; its verdicts appear within a minute."))


def _agreed(arguments: argparse.Namespace, supervisor: Supervisor) -> bool:
    if arguments.no_device:
        return False
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        _say(
            msg("This machine is not enrolled (nobody to ask); add --yes to enrol it."), sys.stderr
        )
        return False
    _say(msg("Enrol this very machine as the first device? Its settings are read, "
             "nothing is changed. [y/N] "), end="")  # fmt: skip
    return _read_answer(supervisor).strip().lower() in {"y", "yes", "はい"}


def _read_answer(supervisor: Supervisor) -> str:
    """Read a line from the terminal and look after the processes meanwhile; "" when stopping."""
    while sys.platform != "win32" and not select.select([sys.stdin], [], [], 0.25)[0]:
        supervisor.turn()
        if supervisor.stopping:
            return ""
    return sys.stdin.readline()


def _say(text: Text, file: object = None, end: str = "\n") -> None:
    print(translate(text, speaking()), file=file or sys.stdout, end=end, flush=True)  # type: ignore[arg-type]
