"""What makes a control usable: rules that need more than one field, or the SQL itself.

Private devices have rules of their own: their checks give the constant 1 and nothing else, and
read only columns of an allow-list that a person can read in a minute.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from importlib.resources import files

from sekisho.controls.manifest import compute_manifest
from sekisho.controls.model import Case, Check, Control, Probe, Proof, VerdictKind
from sekisho.controls.osquery_sql import Bench, current_bench, load_schema
from sekisho.controls.reading import Place, Source
from sekisho.kernel.i18n import Text, msg
from sekisho.wire.kit import Ownership

AllowList = Mapping[str, frozenset[str]]
"""Columns by table that may be read on private devices."""

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_HIDDEN_READ = re.compile(r"\b(USING|NATURAL)\b", re.IGNORECASE)
_STRINGS = re.compile(r"'[^']*'")


def days(number: int) -> timedelta:
    """Return a length of days."""
    return timedelta(days=number)


def seconds(number: int) -> timedelta:
    """Return a length of seconds."""
    return timedelta(seconds=number)


def load_allow_list() -> AllowList:
    """Read the allow-list that came with the program."""
    entry = files("sekisho").joinpath("content/private_allowlist.yaml")
    return read_allow_list(entry.read_text("utf-8"), Source("private_allowlist.yaml"))


def read_allow_list(text: str, source: Source) -> AllowList:
    """Read an allow-list: table → columns; faults and unknown names are noted."""
    root = source.parse(text)
    if root is None:
        return {}
    schema, found = load_schema(), {}
    for table, place in root.entries().items():
        known = schema[table].columns if table in schema else {}
        columns = list(place.items())
        for item in columns:
            if item.text() not in known:
                item.note(msg("There is no column %(name)s.", name=f"{table}.{item.text()}"))
        found[table] = frozenset(item.text() for item in columns)
    return found


def check_control(
    control: Control, root: Place, fields: Mapping[str, Place], allowed: AllowList
) -> None:
    """Note everything that is wrong with a control that could be read."""
    if not _ID.match(control.id):
        fields["id"].note(msg("An id is lower-case words with hyphens, such as rdp-off."))
    if not control.ownership:
        fields["ownership"].note(msg("Expected company, private or both."))
    machine = control.proof is Proof.MACHINE
    if machine != bool(control.checks):
        root.note(msg("A control proven by machine has checks, and only such a control has."))
    _check_fix(control, fields["fix"])
    checks = fields["checks"].entries() if "checks" in fields else {}
    for platform, check in control.checks.items():
        _check_check(control, check, checks[platform], allowed)


def check_intervals(controls: Iterable[Control], sources: Mapping[str, Source]) -> None:
    """Note controls that share a precondition and are asked at different intervals.

    A shared precondition is one query with one answer; a check that comes without it in the same
    reply proves nothing.
    """
    first: dict[tuple[str, str], tuple[Control, Check]] = {}
    for control in controls:
        for check in control.checks.values():
            for probe in check.probes:
                key = (check.platform.value, probe.ready_name)
                other, others = first.setdefault(key, (control, check))
                if others.interval != check.interval:
                    file, _, line = probe.place.rpartition(":")
                    sources[file].note(
                        int(line),
                        msg("The precondition of %(other)s is the same; ask both equally often"
                            " (%(interval)s there).", other=other.id, interval=others.interval),
                    )  # fmt: skip


def run_case(probe: Probe, case: Case, bench: Bench) -> VerdictKind:
    """Return the verdict that the tables of a case lead to."""
    if not bench.run(probe.precondition, case.tables):
        return VerdictKind.UNKNOWN
    return VerdictKind.PASS if bench.run(probe.sql, case.tables) else VerdictKind.FAIL


def _check_fix(control: Control, place: Place) -> None:
    for platform in control.checks or ("all",):
        steps = control.fix.get(platform) or control.fix.get("all") or {}
        if not all(steps.get(language) for language in ("ja", "en")):
            place.note(msg("Say in both languages how to fix this on %(name)s.", name=platform))


def _check_check(control: Control, check: Check, place: Place, allowed: AllowList) -> None:
    if check.fallback is not None and not check.needs_agent:
        place.note(msg("A fallback is for checks that need the Sekisho agent."))
    private = Ownership.PRIVATE in control.ownership & check.ownership
    for number, probe in enumerate(check.probes):
        where = place if number == 0 else place.entries()["fallback"]
        faults = list(_probe_faults(check, probe, private, allowed, agent=number == 0))
        for fault in faults:
            where.note(fault)
        if not faults:
            _check_cases(probe, where)


def _probe_faults(
    check: Check, probe: Probe, private: bool, allowed: AllowList, *, agent: bool
) -> Iterator[Text]:
    for name in ("sql", "precondition", "detail"):
        sql: str = getattr(probe, name)
        if not sql:
            if name != "detail":
                yield msg("“%(name)s” is empty.", name=name)
            continue
        try:
            reads = compute_manifest(sql)
        except sqlite3.Error as error:
            yield msg("“%(name)s” is refused by SQLite: %(why)s", name=name, why=str(error))
            continue
        if _HIDDEN_READ.search(_STRINGS.sub("''", sql)):
            yield msg("“%(name)s”: write ON a.x = b.x; SQLite does not tell what USING reads.",
                      name=name)  # fmt: skip
        tables = {table for table, _ in reads}
        yield from _platform_faults(check, tables, needs_agent=check.needs_agent and agent)
        if name != "detail" and private:
            yield from _private_faults(name, sql, reads, allowed)
        if name != "detail" and not tables:
            yield msg("“%(name)s” reads no table and so proves nothing.", name=name)


def _platform_faults(check: Check, tables: set[str], *, needs_agent: bool) -> Iterator[Text]:
    schema = load_schema()
    for table in sorted(tables):
        names = schema[table]
        if check.platform in names.platforms:
            continue
        if check.platform not in names.agent_platforms:
            yield msg(
                "The table %(table)s does not exist on %(platform)s.",
                table=table, platform=check.platform.value,
            )  # fmt: skip
        elif not needs_agent:
            yield msg(
                "Only the Sekisho agent has the table %(table)s: say “needs: sekisho-agent”.",
                table=table,
            )  # fmt: skip


def _private_faults(
    name: str, sql: str, reads: frozenset[tuple[str, str]], allowed: AllowList
) -> Iterator[Text]:
    for table, column in sorted(reads):
        if table not in allowed or (column and column not in allowed[table]):
            yield msg(
                "“%(name)s” reads %(column)s, which is not allowed on private devices.",
                name=name, column=f"{table}.{column or '*'}",
            )  # fmt: skip
    if not returns_constant(sql):
        yield msg("“%(name)s” must give the constant 1 on private devices.", name=name)


def returns_constant(sql: str) -> bool:
    """Return whether every row ``sql`` can give is the single constant 1.

    Told from the text outside of parentheses: each arm of the one statement is ``SELECT 1``.
    Anything that cannot be told is no.
    """
    body = _outer_text(sql)
    if ";" in body:
        return False
    arms = re.split(r"\bUNION(?:\s+ALL)?\b|\bEXCEPT\b|\bINTERSECT\b", body, flags=re.IGNORECASE)
    selects = [re.search(r"\bSELECT\s+(.*)\Z", arm, re.IGNORECASE | re.DOTALL) for arm in arms]
    return all(
        found is not None
        and re.match(r"1(?:\s+AS\s+\w+)?(?:\s+(?:FROM|WHERE|LIMIT)\b|\s*\Z)", found[1],
                     re.IGNORECASE)
        for found in selects
    )  # fmt: skip


def _outer_text(sql: str) -> str:
    """Return ``sql`` without what stands in parentheses and in quotes."""
    kept, depth, quote = [], 0, ""
    for character in re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            kept.append(" ")
        elif depth == 0:
            kept.append(character)
    return "".join(kept)


def _check_cases(probe: Probe, place: Place) -> None:
    wanted = {case.expect for case in probe.cases}
    for kind in (VerdictKind.PASS, VerdictKind.FAIL):
        if kind not in wanted:
            place.note(msg("There is no test that expects “%(kind)s”.", kind=kind.value))
    empty = Case(VerdictKind.UNKNOWN, {}, probe.place)
    for case in (*probe.cases, empty):
        fault = _case_fault(probe, case, current_bench())
        if fault is not None:
            place.source.note(int(case.place.rpartition(":")[2]), fault)


def _case_fault(probe: Probe, case: Case, bench: Bench) -> Text | None:
    schema = load_schema()
    for table, rows in case.tables.items():
        if table not in schema:
            return msg("There is no table %(name)s.", name=table)
        strange = {column for row in rows for column in row} - schema[table].columns.keys()
        if strange:
            return msg("There is no column %(name)s.", name=f"{table}.{min(strange)}")
    try:
        got = run_case(probe, case, bench)
    except sqlite3.Error as error:
        return msg("The test cannot run: %(why)s", why=str(error))
    if got is case.expect:
        return None
    return msg(
        "The test expects “%(want)s”, the check says “%(got)s”.",
        want=case.expect.value, got=got.value,
    )  # fmt: skip
