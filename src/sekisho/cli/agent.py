"""``sekisho agent …``: enroll, run, show, approve, pause, resume, leave, install.

Output goes to stdout, talk to stderr. Only what a command needs is imported, so that ``run``
stays as small as the agent itself.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sekisho.cli.orphans import add_supervisor_option

if TYPE_CHECKING:
    from sekisho.agent.state import State
    from sekisho.wire.kit import Kit
    from sekisho.wire.manifest import Manifest

Action = Callable[[argparse.Namespace], int]

# glibc gives big blocks back at once instead of keeping them for later (mallopt(3)); a big table
# read once would otherwise stay in the agent's memory for good.
_SMALL = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``agent`` with its verbs."""
    parser = nouns.add_parser("agent", help="the endpoint agent")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_enroll(verbs)
    run = _add(verbs, "run", run_agent, "run the agent until it is stopped")
    add_supervisor_option(run)
    run.add_argument("--user", action="store_true", help="help the system service in this session")
    _add(verbs, "show", show, "show exactly what would be sent, and the manifest")
    _add(verbs, "approve", approve, "approve the organisation's newest manifest").add_argument(
        "--yes", action="store_true", help="approve without asking"
    )
    _add(verbs, "pause", pause, "answer nothing until resume (private devices)")
    _add(verbs, "resume", resume, "answer again")
    _add(verbs, "leave", leave, "forget the enrolment and everything kept here")
    install = _add(verbs, "install", install_agent, "start the agent with this computer")
    install.add_argument("--dry-run", action="store_true", help="only print what would be done")


def _add_enroll(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(verbs, "enroll", enroll, "make this computer known to an organisation")
    parser.add_argument(
        "kit", type=Path, help="the enrolment kit (the ZIP archive, or its JSON file)"
    )
    parser.add_argument("--yes", action="store_true", help="agree without asking")
    parser.add_argument("--proxy", default="", metavar="HOST:PORT", help="HTTP proxy (CONNECT)")


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Action,
    what: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=what)
    parser.add_argument("--state", type=Path, metavar="DIR", help="where the agent remembers")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--language", choices=("ja", "en"), default="")
    parser.set_defaults(run=lambda arguments: guard(action, arguments))
    return parser


def guard(action: Action, arguments: argparse.Namespace) -> int:
    """Run an action; an expected failure is told on stderr and becomes exit code 2."""
    from sekisho.wire.errors import SaidError  # noqa: PLC0415 - see the module's docstring

    try:
        return action(arguments)
    except SaidError as error:
        print(f"sekisho: {terminal_text(arguments, error.text, **error.params)}", file=sys.stderr)
        return 2


def enroll(arguments: argparse.Namespace) -> int:
    """Enrol with a kit; a private device's owner reads and agrees first."""
    from sekisho.agent import certificate, enrol  # noqa: PLC0415 - see the module's docstring
    from sekisho.agent.builtin import current_platform  # noqa: PLC0415
    from sekisho.agent.state import State  # noqa: PLC0415

    kit = enrol.read_kit(arguments.kit)
    refuse_administrator(kit, os.geteuid() if hasattr(os, "geteuid") else 1)
    folder = arguments.state or enrol.default_folder(kit.ownership, current_platform())
    state = State(folder / enrol.STATE_FILE)
    enrol.prepare_state(state, kit, arguments.proxy)
    with closing(enrol.open_session(state, terminal_language(arguments))) as session:
        done = enrol.enrol_device(session, lambda kit, seen: _ask(arguments, kit, seen))
        try:
            certificate.request_certificate(session)
        except Exception as error:  # noqa: BLE001 - the device is enrolled; the loop asks again
            _say(arguments, "No certificate yet; the agent will ask again: %(why)s", why=error)
    result = {
        "enrolled": True,
        "organisation": done.organisation,
        "ownership": done.ownership.value,
        "host_identifier": done.host_identifier,
        "key_storage": state.get("key_storage"),
        "state": str(folder),
    }
    _print_enrolled(arguments, result)
    return 0


def refuse_administrator(kit: "Kit", uid: int) -> None:
    """Refuse to serve a private device with more than its owner's rights."""
    from sekisho.agent.enrol import EnrolmentError  # noqa: PLC0415 - see the module's docstring
    from sekisho.wire.kit import Ownership  # noqa: PLC0415

    if kit.ownership is Ownership.PRIVATE and uid == 0:
        raise EnrolmentError(
            "this is a private computer's kit and you are root; the agent of a private computer "
            "has its owner's rights only. Run the command again as yourself"
        )


def _print_enrolled(arguments: argparse.Namespace, result: dict[str, object]) -> None:
    if arguments.format == "json":
        print(json.dumps(result, ensure_ascii=False))
        return
    print(terminal_text(arguments, "This computer is known to %(organisation)s.", **result))
    print(_say_storage(arguments, str(result["key_storage"])))
    print(terminal_text(arguments, "Next: sekisho agent install"))


def _say_storage(arguments: argparse.Namespace, storage: str) -> str:
    """Say where the device's key lies, and honestly when it could be copied."""
    return {
        "tpm": terminal_text(arguments, "the key is in the TPM and cannot leave it"),
        "cng": terminal_text(arguments, "the key is kept by Windows and cannot be exported"),
        "keychain": terminal_text(
            arguments, "the key is kept by macOS' keychain and cannot be exported"
        ),
        "file": terminal_text(arguments, "the key is a file that only this user can read"),
    }.get(storage, terminal_text(arguments, "there is no key yet"))


def run_agent(arguments: argparse.Namespace) -> int:
    """Become the agent's process (on Windows: run it inside this one)."""
    words = ["--user"] if arguments.user else ["--state", str(find_folder(arguments))]
    if arguments.supervisor and not arguments.user:
        words += ["--supervisor", str(arguments.supervisor)]
    if os.name != "nt":
        sys.stdout.flush()
        command = [sys.executable, "-m", "sekisho.agent", *words]
        environment = {**os.environ, **_SMALL}  # noqa: TID251 - handed on to the same program
        os.execve(sys.executable, command, environment)  # noqa: S606 - ourselves
    from sekisho.agent.__main__ import main  # noqa: PLC0415 - Windows has no exec

    return main(words)


def show(arguments: argparse.Namespace) -> int:
    """Print what would be sent if the server asked now, the manifest, and what waits."""
    from sekisho.agent import show as showing  # noqa: PLC0415 - see the module's docstring
    from sekisho.agent.enrol import open_session  # noqa: PLC0415

    session = open_session(open_state(arguments), terminal_language(arguments))
    facts = showing.describe(session)
    indent = 1 if arguments.format == "text" else None
    print(json.dumps(facts, ensure_ascii=False, indent=indent))
    if arguments.format == "text":
        print(_say_storage(arguments, facts["key_storage"]), file=sys.stderr)
    if facts["waiting"]:
        _say(
            arguments,
            "%(n)s questions wait for your approval: sekisho agent approve",
            n=len(facts["waiting"]),
        )
    return 0


def approve(arguments: argparse.Namespace) -> int:
    """Show the newest signed manifest and approve it."""
    from sekisho.agent import enrol  # noqa: PLC0415 - see the module's docstring
    from sekisho.agent.session import load_manifest  # noqa: PLC0415
    from sekisho.wire.kit import Kit  # noqa: PLC0415

    state = open_state(arguments)
    offered = load_manifest(state, "offered")
    if offered is not None and not _ask(arguments, Kit.parse(state.get("kit")), offered):
        _say(arguments, "Not approved; nothing has changed.")
        return 1
    approved = enrol.approve(state)
    _say(arguments, "Approved: %(n)s columns may be read.", n=len(approved.reads))
    return 0


def pause(arguments: argparse.Namespace) -> int:
    """Stop answering; the server sees silence, and access ends when the evidence is too old."""
    from sekisho.agent.enrol import EnrolmentError  # noqa: PLC0415 - see the module's docstring
    from sekisho.wire.kit import Kit, Ownership  # noqa: PLC0415

    state = open_state(arguments)
    kit = Kit.parse(state.get("kit"))
    if kit.ownership is not Ownership.PRIVATE:
        raise EnrolmentError(
            "this computer belongs to %(organisation)s; only a private computer can be paused",
            organisation=kit.organisation,
        )
    state.put(paused="yes")
    _tell_pause(arguments, state, paused=True)
    _say(arguments, "Paused: nothing is read or sent. Go on with: sekisho agent resume")
    return 0


def resume(arguments: argparse.Namespace) -> int:
    """Answer again."""
    state = open_state(arguments)
    state.put(paused="")
    _tell_pause(arguments, state, paused=False)
    _say(arguments, "The agent answers again.")
    return 0


def _tell_pause(arguments: argparse.Namespace, state: "State", *, paused: bool) -> None:
    """Tell the server; what was decided here holds even when it cannot be told."""
    from sekisho.agent import enrol, session  # noqa: PLC0415 - see the module's docstring

    try:
        with closing(enrol.open_session(state, terminal_language(arguments))) as current:
            session.tell_paused(current, paused=paused)
    except Exception as error:  # noqa: BLE001 - the owner's word holds here in any case
        _say(arguments, "The server could not be told: %(why)s", why=error)


def leave(arguments: argparse.Namespace) -> int:
    """Withdraw on a private device, and forget the enrolment and all that is kept here."""
    from sekisho.agent import enrol, session  # noqa: PLC0415 - see the module's docstring
    from sekisho.wire.kit import Kit, Ownership  # noqa: PLC0415

    state = open_state(arguments)
    if Kit.parse(state.get("kit")).ownership is Ownership.PRIVATE:
        try:
            with closing(enrol.open_session(state, terminal_language(arguments))) as current:
                session.withdraw(current)
        except Exception as error:  # noqa: BLE001 - the owner's word holds here in any case
            _say(arguments, "The server could not be told: %(why)s", why=error)
            _say(arguments, "To have the server's data deleted, withdraw on your page.")
    state.erase()
    for name in ("device-key.pem", "device-key.new", "device-certificate.pem"):
        (state.path.parent / name).unlink(missing_ok=True)
    _say(arguments, "Forgotten: nothing of the enrolment is kept here any more.")
    return 0


def install_agent(arguments: argparse.Namespace) -> int:
    """Write the units and start the agent with this computer; says each step."""
    from sekisho.agent import install  # noqa: PLC0415 - see the module's docstring
    from sekisho.agent.builtin import current_platform  # noqa: PLC0415
    from sekisho.wire.kit import Kit  # noqa: PLC0415

    state = open_state(arguments)
    kit = Kit.parse(state.get("kit"))
    program = (sys.executable, "-m", "sekisho")
    steps = install.plan_install(
        current_platform(), kit.ownership, program, state.path.parent, Path.home()
    )
    if arguments.dry_run:
        for step in steps:
            print(step)
            if isinstance(step, install.WriteFile):
                print("  " + step.content.replace("\n", "\n  ").rstrip())
        return 0
    for step in install.apply_steps(steps):
        print(step)
    return 0


def _ask(arguments: argparse.Namespace, kit: "Kit", manifest: "Manifest") -> bool:
    """Show what will be read and what happens with it, and ask."""
    for line in consent_lines(arguments, kit, manifest):
        print(line, file=sys.stderr)
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        _say(arguments, "Nobody to ask here; read the text above and add --yes to agree.")
        return False
    return input(terminal_text(arguments, "Do you agree? [y/N] ")).strip().lower() in {
        "y",
        "yes",
        "はい",
    }


def consent_lines(arguments: argparse.Namespace, kit: "Kit", manifest: "Manifest") -> list[str]:
    """Return the consent text and the manifest, in the chosen language."""
    tables: dict[str, list[str]] = {}
    for table, column in sorted(manifest.reads):
        tables.setdefault(table, []).append(column or terminal_text(arguments, "number of rows"))
    return [
        terminal_text(
            arguments,
            "%(organisation)s asks to check this computer.",
            organisation=kit.organisation,
        ),
        terminal_text(
            arguments, "Answers are only yes or no; no list, no file, no name leaves it."
        ),
        terminal_text(
            arguments, "The answers decide whether work systems open from this computer."
        ),
        terminal_text(
            arguments, "You may pause or leave at any time; then only access from here ends."
        ),
        terminal_text(arguments, "Exactly this is read:"),
        *(f"  {table}: {', '.join(names)}" for table, names in tables.items()),
    ]


def find_folder(arguments: argparse.Namespace) -> Path:
    """Return ``--state``, else the system's folder when it is enrolled, else the user's own."""
    if arguments.state:
        return Path(arguments.state)
    from sekisho.agent.builtin import current_platform  # noqa: PLC0415 - see the docstring above
    from sekisho.agent.enrol import STATE_FILE, default_folder  # noqa: PLC0415
    from sekisho.wire.kit import Ownership  # noqa: PLC0415

    system = default_folder(Ownership.COMPANY, current_platform())
    if os.access(system / STATE_FILE, os.R_OK):
        return system
    return default_folder(Ownership.PRIVATE, current_platform())


def open_state(arguments: argparse.Namespace) -> "State":
    """Open the agent's memory; raise EnrolmentError where there is no enrolment."""
    from sekisho.agent.enrol import STATE_FILE, EnrolmentError  # noqa: PLC0415 - see the docstring
    from sekisho.agent.state import State  # noqa: PLC0415

    path = find_folder(arguments) / STATE_FILE
    if not path.exists():
        raise EnrolmentError("%(path)s is not there; run: sekisho agent enroll KIT", path=path)
    state = State(path)
    if not state.get("kit"):
        raise EnrolmentError(
            "%(path)s knows of no enrolment; run: sekisho agent enroll KIT", path=path
        )
    return state


def terminal_language(arguments: argparse.Namespace) -> str:
    """Return the language asked for, else the terminal's."""
    from sekisho.cli.main import speaking  # noqa: PLC0415 - see the module's docstring

    return str(arguments.language or speaking())


def terminal_text(arguments: argparse.Namespace, english: str, /, **params: object) -> str:
    """Say an English sentence of the agent or the command line in the person's language."""
    from sekisho.kernel.i18n import Text, translate  # noqa: PLC0415 - see the module's docstring

    said = Text(english, {name: _sayable(value) for name, value in params.items()})
    return translate(said, terminal_language(arguments))


def _sayable(value: object) -> object:
    """Make an error or words of the agent, which knows no languages, a text that does."""
    from sekisho.kernel.i18n import Text  # noqa: PLC0415 - see the module's docstring
    from sekisho.wire.errors import SaidError, Words  # noqa: PLC0415

    if not isinstance(value, SaidError | Words):
        return value
    return Text(value.text, {name: _sayable(inner) for name, inner in value.params.items()})


def _say(arguments: argparse.Namespace, english: str, /, **params: object) -> None:
    print(terminal_text(arguments, english, **params), file=sys.stderr)
