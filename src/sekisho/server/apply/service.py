"""Plan, rehearse, apply, export: what the command calls.

A plan is rehearsed: all its steps are done in a transaction that is given up, so that a plan that
is shown is one that the rooms would take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from sekisho.controls.faults import Fault
from sekisho.identity import service as identity
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError
from sekisho.kernel.i18n import Text, msg
from sekisho.kernel.principal import Principal
from sekisho.kernel.secrets import SecretBox
from sekisho.server.apply.act import do_steps
from sekisho.server.apply.export import write_folder
from sekisho.server.apply.model import FolderError, Kind, Mark, Plan, Section
from sekisho.server.apply.plan import make_plan
from sekisho.server.apply.policies import list_left_out
from sekisho.server.apply.reading import read_folder
from sekisho.server.apply.state import read_state


@dataclass(frozen=True, slots=True)
class Desk:
    """What a run works with: the database, the key, who asks, the variables with secrets.

    ``controls``: the folder of controls that this installation works by, "" for the program's own.
    """

    database: Database
    box: SecretBox
    principal: Principal
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    controls: str = ""


class _RehearsedError(Exception):
    """Ends a rehearsal with its plan: the transaction must not be kept."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.digest)
        self.plan = plan


def plan_folder(desk: Desk, folder: Path) -> tuple[list[Section], Plan]:
    """Read a folder and return what it wants and the rehearsed steps to it; nothing is changed.

    Raises FolderError with every mistake at its file and line.
    """
    sections, faults = read_folder(folder, own_controls=bool(desk.controls))
    faults += _check_in_force(desk, folder)
    if faults:
        raise FolderError(faults)
    with desk.database.read(desk.principal) as tx:
        plan = make_plan(sections, read_state(tx, desk.box), desk.environment)
    if not plan.steps:  # nobody needs to wait for a rehearsal of nothing
        return sections, plan
    try:
        _rehearse(desk, sections)
    except _RehearsedError as rehearsed:
        return sections, rehearsed.plan


def _check_in_force(desk: Desk, folder: Path) -> list[Fault]:
    """Return a mistake for controls that nobody works by: the folder would promise too much."""
    if not desk.controls or not (folder / "controls").is_dir():
        return []
    if Path(desk.controls).resolve() == folder.resolve():
        return []
    why = msg("This server works by the rules in %(path)s (its setting “controls”): change them "
              "there, or take the setting away.", path=desk.controls)  # fmt: skip
    return [Fault("controls", 1, why)]


def _rehearse(desk: Desk, sections: Sequence[Section]) -> NoReturn:
    with desk.database.write(desk.principal) as tx:
        raise _RehearsedError(_plan_and_do(desk, tx, sections, ""))


def apply_plan(desk: Desk, sections: Sequence[Section], digest: str) -> Plan:
    """Do what the files want in one transaction, all of it or nothing; return what was done.

    ``digest`` is that of the plan somebody agreed to. Raises ConflictError if the way there is
    another by now, FolderError for what a room refuses.
    """
    with desk.database.write(desk.principal) as tx:
        return _plan_and_do(desk, tx, sections, digest)


def _plan_and_do(desk: Desk, tx: Transaction, sections: Sequence[Section], digest: str) -> Plan:
    state = read_state(tx, desk.box)
    plan = make_plan(sections, state, desk.environment)
    if digest and plan.digest != digest:
        raise ConflictError(
            msg("The state has changed since the plan %(old)s; it would be %(new)s now.",
                old=digest, new=plan.digest),
            hint=msg("Nothing was changed. Look at the new plan, then try again."),
        )  # fmt: skip
    usable = identity.has_usable_admin(tx)
    outcome = do_steps(tx, desk.box, plan, state, desk.environment)
    refused = outcome.refused
    if usable and not refused and not identity.has_usable_admin(tx):
        refused = [_locked_out(plan)]
    if refused:
        raise FolderError(refused)
    return replace(plan, notes=(*plan.notes, *outcome.notes))


def _locked_out(plan: Plan) -> Fault:
    marks = [s.mark for s in plan.steps if s.kind in {Kind.ROLES, Kind.SIGN_IN}]
    why = msg("No administrator could sign in any more with what is asked of administrators.")
    return (marks[-1] if marks else Mark("roles.yaml", 1)).fault(why)


def export_folder(desk: Desk, folder: Path) -> tuple[list[str], list[Text]]:
    """Write the present state into ``folder``; return the names of the files, and what is missing.

    Raises ConflictError if one of them exists.
    """
    with desk.database.read(desk.principal) as tx:
        state = read_state(tx, desk.box)
    return write_folder(folder, state), list_left_out(state.items[Kind.POLICY])
