"""``sekisho apply DIR``: hold a folder of YAML files against what is, and make it so.

Exit codes: with ``--plan`` 0 nothing to do, 1 there is a difference; without it 0 done or nothing
to do, 1 not agreed to; 2 the folder has mistakes or it could not be done.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import TextIO

import msgspec

from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.controls.faults import Fault
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.server.apply.model import Act, Difference, FolderError, Kind, Plan, Step, Value, plain
from sekisho.server.apply.service import Desk, apply_plan, export_folder, plan_folder
from sekisho.server.auth import command_principal
from sekisho.server.bootstrap import open_house

_encode = msgspec.json.Encoder(order="sorted").encode
_SIGNS = {Act.ADD: "+", Act.CHANGE: "~", Act.REMOVE: "-"}
_HEAD_OF_DIFFERENCE = 3  # lines that name files and places, of which there are none here
_KINDS = {
    Kind.UNIT: msg("unit"),
    Kind.GROUP: msg("group"),
    Kind.ROLES: msg("roles of"),
    Kind.SIGN_IN: msg("sign-in of the role"),
    Kind.SELF_CHECK: msg("self-check"),
    Kind.CHANNEL: msg("notice channel"),
    Kind.CONTENT: msg("content"),
    Kind.RESOURCE: msg("resource"),
    Kind.POLICY: msg("policy"),
}


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``apply``."""
    parser = nouns.add_parser("apply", help="make the state what a folder of YAML files says")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with the files")
    add_data_option(parser)
    acts = parser.add_mutually_exclusive_group()
    acts.add_argument("--plan", action="store_true",
                      help="only show what would change (exit code 1 if anything)")  # fmt: skip
    acts.add_argument("--yes", action="store_true", help="do it without asking")
    acts.add_argument("--export", action="store_true",
                      help="write the present state into the folder instead")  # fmt: skip
    parser.add_argument("--expect", metavar="PLAN", default="",
                        help="do it only if the plan is still this one")  # fmt: skip
    parser.set_defaults(run=run_apply)


def run_apply(arguments: argparse.Namespace) -> int:
    """Plan, apply or export; see the exit codes above."""
    settings = read_settings(arguments)
    with open_house(settings) as house:
        principal = command_principal(house.box)
        environment = dict(os.environ)  # noqa: TID251 - names of secrets stand in the files
        desk = Desk(house.database, house.box, principal, environment, settings.controls)
        try:
            return _export(desk, arguments) if arguments.export else _apply(desk, arguments)
        except FolderError as error:
            _say_faults(error, arguments)
            return 2


def _export(desk: Desk, arguments: argparse.Namespace) -> int:
    names, left_out = export_folder(desk, arguments.folder)
    for name in names:
        path = arguments.folder / name
        print(_encode({"file": str(path)}).decode() if _is_json(arguments) else path)
    for text in left_out:
        _tell(text, arguments, file=sys.stderr)
    return 0


def _apply(desk: Desk, arguments: argparse.Namespace) -> int:
    sections, plan = plan_folder(desk, arguments.folder)
    _show(plan, arguments)
    if arguments.plan or not plan.steps:
        return 1 if plan.steps else 0
    if arguments.expect and arguments.expect != plan.digest:
        raise InvalidInputError(
            msg("The plan is %(got)s, not %(expected)s.",
                got=plan.digest, expected=arguments.expect),
            hint=msg("Nothing was changed. Look at the new plan, then try again."),
        )  # fmt: skip
    if not (arguments.yes or arguments.expect or _agreed(arguments)):
        return 1
    done = apply_plan(desk, sections, plan.digest)
    _show_notes(done, arguments)
    if _is_json(arguments):
        print(_encode({"applied": len(done.steps), "plan": done.digest}).decode())
    else:
        _say(msg("Done: %(n)s changes, each with its record in the evidence.", n=len(done.steps)))
    return 0


def _agreed(arguments: argparse.Namespace) -> bool:
    if _is_json(arguments) or not sys.stdin.isatty():
        raise InvalidInputError(
            msg("Nobody can be asked here; nothing was changed."),
            hint=msg("Add --yes to do it, or --plan only to look."),
        )
    question = translate(msg("Apply these changes? [y/N]"), speaking())
    if input(f"{question} ").strip().lower() in {"y", "yes", "はい"}:
        return True
    _say(msg("Nothing was changed."))
    return False


def _show(plan: Plan, arguments: argparse.Namespace) -> None:
    if _is_json(arguments):
        for step in plan.steps:
            print(_encode(_shape(step)).decode())
        _show_notes(plan, arguments)
        print(_encode({"plan": plan.digest, "steps": len(plan.steps)}).decode())
        return
    for step in plan.steps:
        for line in _lines(step):
            print(line)
    if plan.steps:
        _say(msg("Plan %(digest)s: %(add)s to add, %(change)s to change, %(remove)s to remove.",
                 digest=plan.digest, **_counts(plan)))  # fmt: skip
    elif not plan.notes:  # what waits for approval is not as the folder says
        _say(msg("Nothing to do: everything is as the folder says."))
    _show_notes(plan, arguments)


def _show_notes(plan: Plan, arguments: argparse.Namespace) -> None:
    for text in plan.notes:
        _tell(text, arguments, file=sys.stdout)


def _tell(text: Text, arguments: argparse.Namespace, *, file: TextIO) -> None:
    """Say what there is to know beyond files and steps; JSON has it in its one stream."""
    said = translate(text, speaking())
    if _is_json(arguments):
        print(_encode({"note": said}).decode())
    else:
        print(_safe(said), file=file)


def _counts(plan: Plan) -> dict[str, int]:
    return {act.value: sum(step.act is act for step in plan.steps) for act in Act}


def _shape(step: Step) -> dict[str, object]:
    return {
        "act": step.act,
        "kind": step.kind,
        "name": step.name,
        "file": step.mark.file,
        "line": step.mark.line,
        "changes": [
            {"field": d.field, "before": plain(d.before), "after": plain(d.after)}
            for d in step.differences
        ],
    }


def _lines(step: Step) -> Iterator[str]:
    kind = translate(_KINDS[step.kind], speaking())
    yield f"{_SIGNS[step.act]} {kind} {_safe(step.name)}  ({step.mark.file}:{step.mark.line})"
    for difference in step.differences:
        yield from _difference_lines(difference)


def _difference_lines(difference: Difference) -> Iterator[str]:
    before, after = difference.before, difference.after
    if isinstance(before, frozenset) and isinstance(after, frozenset):
        yield from (f"    + {difference.field}: {_safe(each)}" for each in sorted(after - before))
        yield from (f"    - {difference.field}: {_safe(each)}" for each in sorted(before - after))
        return
    if _has_lines(before) or _has_lines(after):
        yield f"    {difference.field}:"
        yield from _changed_lines(str(before), str(after))
        return
    said = f"{_quoted(before)} → " if before else ""
    yield f"    {difference.field}: {said}{_quoted(after)}"


def _has_lines(value: Value) -> bool:
    return isinstance(value, str) and "\n" in value


def _changed_lines(before: str, after: str) -> Iterator[str]:
    """Yield the lines of a longer text that go and come, and those in between that stay."""
    old, new = (text.split("\n") if text else [] for text in (before, after))
    lines = unified_diff(old, new, lineterm="", n=len(old) + len(new))
    for line in list(lines)[_HEAD_OF_DIFFERENCE:]:
        yield f"      {_safe(line)}".rstrip()


def _quoted(value: Value) -> str:
    return f"“{_safe(value if isinstance(value, str) else ', '.join(sorted(value)))}”"


def _safe(text: str) -> str:
    """Write a text on one line; what is not printable cannot act on the terminal."""
    return "".join(c if c.isprintable() else "�" for c in text.replace("\n", " ⏎ "))


def _say_faults(error: FolderError, arguments: argparse.Namespace) -> None:
    for fault in error.faults:
        if _is_json(arguments):
            print(_encode(_shape_fault(fault)).decode())
        else:
            said = translate(fault.message, speaking())
            print(f"{_safe(fault.file)}:{fault.line}: {_safe(said)}", file=sys.stderr)
    if not _is_json(arguments):
        for text in (error.message, error.hint):
            print(translate(text, speaking()), file=sys.stderr)


def _shape_fault(fault: Fault) -> dict[str, object]:
    said = translate(fault.message, speaking())
    return {"mistake": said, "file": fault.file, "line": fault.line}


def _is_json(arguments: argparse.Namespace) -> bool:
    return bool(arguments.format == "json")


def _say(text: Text) -> None:
    print(translate(text, speaking()))
