"""``sekisho rules``: detection rules listed, tested, imported and updated.

With ``--rules`` it works on files and folders alone; without, on the library of the data folder.
Exit codes: 0 fine, 1 a rule has a fault (or something would change, with ``--plan``), 2 could not.
"""

import argparse
import dataclasses
import io
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.cli.rules_why import add_why
from sekisho.detection import service
from sekisho.detection.attack import own_attack_table
from sekisho.detection.engine.attack import read_tags
from sekisho.detection.hunting.rulesets import load
from sekisho.detection.library import ListedRule, Plan, RuleWish, Source
from sekisho.detection.model import Document, Level, RuleFault
from sekisho.detection.sources.fetching import WebFetcher
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError
from sekisho.kernel.i18n import Text, msg, system_reason, translate
from sekisho.kernel.principal import Principal
from sekisho.server.auth import command_principal
from sekisho.server.bootstrap import House, open_house

_PAGE = 200
_SHOWN = 20
_encode = msgspec.json.Encoder(order="sorted").encode


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``rules``."""
    parser = nouns.add_parser("rules", help="detection rules: list, test, why, import, update")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listed = verbs.add_parser("list", help="the rules in force, or those in files")
    add_data_option(listed)
    listed.add_argument("--rules", type=Path, action="append", default=[], metavar="PATH",
                        help="list those in files, folders and ZIP archives instead")  # fmt: skip
    listed.add_argument("--search", default="", metavar="TEXT")
    listed.add_argument("--level", choices=[level.value for level in Level], default="")
    listed.add_argument("--technique", default="", metavar="ID", help="of ATT&CK, any version")
    listed.set_defaults(run=run_list)
    tested = verbs.add_parser("test", help="read rules and say what is wrong with each")
    tested.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    tested.add_argument("--format", choices=("text", "json"), default="text")
    tested.set_defaults(run=run_test)
    add_why(verbs)
    _add_changing(verbs)


def _add_changing(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    taken = verbs.add_parser("import", help="take a folder, a ZIP archive or a file over")
    add_data_option(taken)
    taken.add_argument("path", type=Path, metavar="PATH")
    taken.add_argument("--name", default="", metavar="NAME",
                       help="the source: a new one, or one whose rules are replaced")  # fmt: skip
    updated = verbs.add_parser("update", help="fetch what sources with an address hold now")
    add_data_option(updated)
    updated.add_argument("name", nargs="?", default="", metavar="NAME", help="only this source")
    updated.add_argument("--from", dest="address", default="", metavar="URL",
                         help="the address of a ZIP archive: makes the source NAME")  # fmt: skip
    for parser in (taken, updated):
        shown = "only show what would change (exit code 1 if anything)"
        parser.add_argument("--plan", action="store_true", help=shown)
    taken.set_defaults(run=run_import)
    updated.set_defaults(run=run_update)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the rules; 1 if some of those asked for cannot be used."""
    if arguments.rules:
        return _list_files(arguments)
    technique = own_attack_table().resolve_technique(arguments.technique)
    wish = RuleWish(search=arguments.search, level=arguments.level, technique=technique)
    with open_house(read_settings(arguments)) as house:
        principal = command_principal(house.box)
        with house.database.read(principal) as tx:
            for listed in _all_rules(tx, wish):
                rule, level = listed.rule, listed.level.value if listed.level else "off"
                where = f"{rule.source_id}/{rule.file}:{rule.line}"
                _print_rule(arguments, rule.id, level, rule.title, where)
    return 0


def _all_rules(tx: Transaction, wish: RuleWish) -> Iterable[ListedRule]:
    page = 1
    while found := service.list_rules(tx, wish, page=page, page_size=_PAGE).rules:
        yield from found
        page += 1


def _list_files(arguments: argparse.Namespace) -> int:
    rule_set = load(arguments.rules, None)
    documents: Sequence[Document] = [
        *rule_set.rules, *rule_set.correlations, *rule_set.filters,
    ]  # fmt: skip
    for each in documents:
        if _is_wanted(each, arguments):
            where = f"{each.file}:{each.line}"
            _print_rule(arguments, each.id, each.level.value, each.title, where)
    _say_faults(rule_set.faults)
    return 1 if rule_set.faults else 0


def _is_wanted(document: Document, arguments: argparse.Namespace) -> bool:
    said = f"{document.title} {document.id} {document.file}".casefold()
    return (
        all(word in said for word in arguments.search.casefold().split())
        and arguments.level in {"", document.level.value}
        and (not arguments.technique or _is_about(document, arguments.technique))
    )


def _is_about(document: Document, technique: str) -> bool:
    """Say whether a rule looks for a technique or a part of it, whatever version named either."""
    table = own_attack_table()
    wanted = table.resolve_technique(technique)
    tagged = read_tags(document.tags, table)
    return any(
        found == wanted or found.startswith(f"{wanted}.")
        for found in (*(each.id for each in tagged.techniques), *tagged.unknown)
    )


def _print_rule(
    arguments: argparse.Namespace, rule_id: str, level: str, title: str, where: str
) -> None:
    if arguments.format == "json":
        row = {"id": rule_id, "level": level, "title": title, "file": where}
        print(_encode(row).decode())
    else:
        print(f"{level:13}  {rule_id}  {title}")


def run_test(arguments: argparse.Namespace) -> int:
    """Read rules and print every fault with its file and line; 1 if there is one."""
    for path in arguments.paths:
        if not path.exists():
            raise NotFoundError(
                msg("There is no file or folder %(path)s.", path=path),
                hint=msg("Name rule files, or folders of them."),
            )
    rule_set = load(arguments.paths, None)
    fine = len(rule_set.rules) + len(rule_set.correlations) + len(rule_set.filters)
    if arguments.format == "json":
        for fault in rule_set.faults:
            print(_encode(_shape_fault(fault)).decode())
    else:
        _say_faults(rule_set.faults, sys.stdout)
        _say(msg("%(fine)s can be used, %(faults)s cannot.",
                 fine=fine, faults=len(rule_set.faults)))  # fmt: skip
    return 1 if rule_set.faults else 0 if fine else 2


def _shape_fault(fault: RuleFault) -> dict[str, object]:
    said = {
        name: translate(getattr(fault, name), speaking()) for name in ("got", "expected", "fix")
    }
    return {"file": fault.file, "line": fault.line, **said}


def _say_faults(faults: Iterable[RuleFault], stream: TextIO | None = None) -> None:
    for fault in faults:
        said = _shape_fault(fault)
        line = f"{fault.file}:{fault.line}: {said['got']} {said['expected']}\n  → {said['fix']}"
        print(line, file=stream or sys.stderr)


def run_import(arguments: argparse.Namespace) -> int:
    """Take a folder, an archive or a file over as one source."""
    name, content = _read(arguments.path)
    with open_house(read_settings(arguments)) as house:
        principal = command_principal(house.box)
        wanted = arguments.name or arguments.path.resolve().stem
        source = _find_source(house, principal, wanted) or service.new_source(wanted)
        return _take(house, principal, source, name, content, arguments)


def _read(path: Path) -> tuple[str, bytes]:
    try:
        if path.is_dir():
            return f"{path.name}.zip", _pack(path)
        return path.name, path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            msg("%(path)s cannot be read: %(why)s", path=path, why=system_reason(error)),
            hint=msg("Name a folder of rules, a ZIP archive or a .yml file."),
        ) from error


def _pack(folder: Path) -> bytes:
    """Pack a folder, so that it takes the same way in as an archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in {".yml", ".yaml"} and path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return out.getvalue()


def _find_source(house: House, principal: Principal, name: str) -> Source | None:
    with house.database.read(principal) as tx:
        found = [source for source, _, _ in service.list_sources(tx) if source.name == name]
        return service.find_removable(tx, found[0].id) if found else None


def run_update(arguments: argparse.Namespace) -> int:
    """Fetch what sources with an address hold now, and take it over."""
    with open_house(read_settings(arguments)) as house:
        principal = command_principal(house.box)
        wanted = _wanted(house, principal, arguments)
        if not wanted:
            _say(msg("No source of rules has an address. Name one: sekisho rules update NAME "
                     "--from URL"))  # fmt: skip
            return 2
        results = [_update(house, principal, source, arguments) for source in wanted]
    return max(results)


def _wanted(house: House, principal: Principal, arguments: argparse.Namespace) -> Sequence[Source]:
    with house.database.read(principal) as tx:
        known = [source for source, _, _ in service.list_sources(tx) if source.address]
    chosen = [source for source in known if arguments.name in {"", source.name}]
    if arguments.address and not chosen:
        return [service.new_source(arguments.name or arguments.address.split("//")[-1][:120],
                                   address=arguments.address)]  # fmt: skip
    if arguments.name and not chosen:
        raise NotFoundError(
            msg("There is no source “%(name)s” with an address.", name=arguments.name),
            hint=msg("Give its address with --from URL."),
        )
    return chosen


def _update(
    house: House, principal: Principal, source: Source, arguments: argparse.Namespace
) -> int:
    fetched = WebFetcher().fetch(source.address, source.etag)
    if fetched.content is None:
        _say(msg("%(name)s: nothing new.", name=source.name))
        return 0
    renewed = dataclasses.replace(source, etag=fetched.etag)
    return _take(house, principal, renewed, fetched.name, fetched.content, arguments)


def _take(
    house: House, principal: Principal, source: Source, name: str, content: bytes,
    arguments: argparse.Namespace,
) -> int:  # fmt: skip
    prepared = service.prepare_files(house.database, principal, source, name, content)
    _say_faults(prepared.plan.faults)
    if not arguments.plan:
        with house.database.write(principal) as tx:
            service.take_over(tx, prepared)
    _show(source, prepared.plan, arguments)
    return 1 if arguments.plan and not prepared.plan.is_empty else 0


def _show(source: Source, plan: Plan, arguments: argparse.Namespace) -> None:
    counts = {
        "added": len(plan.added), "changed": len(plan.changed), "removed": len(plan.removed),
        "kept": plan.kept, "faults": len(plan.faults),
    }  # fmt: skip
    if arguments.format == "json":
        row = {"source": source.name, **counts, "lost": list(plan.lost)}
        print(_encode(row | {"taken": not arguments.plan}).decode())
        return
    _say(msg("%(name)s: %(added)s new, %(changed)s changed, %(removed)s gone, %(kept)s as before, "
             "%(faults)s not usable.", name=source.name, **counts))  # fmt: skip
    for sign, ids in (("+", plan.added), ("~", plan.changed), ("-", plan.removed)):
        for rule_id in ids[:_SHOWN] if arguments.plan else ():
            print(f"{sign} {plan.titles.get(rule_id, rule_id)}")
    for rule_id in plan.lost:
        _say(msg("Your decision about “%(title)s” would lie idle.",
                 title=plan.titles.get(rule_id, rule_id)))  # fmt: skip


def _say(text: Text) -> None:
    print(translate(text, speaking()))
