"""Rules come in: read, compared with those in force, and taken over as a whole or not at all."""

from collections.abc import Sequence
from dataclasses import replace

from sekisho.detection.engine.planning import make_plan
from sekisho.detection.library import KeptRule, Origin, Plan, Source
from sekisho.detection.packing import unpack_rules
from sekisho.detection.service.library import OWN_SOURCE, read_own_rules, read_texts
from sekisho.detection.service.reading import (
    Files,
    Reading,
    SourceTexts,
    digest_of,
    read_library,
)
from sekisho.detection.store import decisions, rules, sources
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import new_id
from sekisho.kernel.principal import Principal

LONGEST_NAME = 120
_MOST_SOURCES = 50


class Prepared:
    """New texts of a source, read together with the whole library, and what they would change."""

    def __init__(self, source: Source, files: Files, reading: Reading, plan: Plan) -> None:
        self.source = source
        self.files = files
        self.reading = reading
        self.plan = plan


def prepare_files(
    database: Database, principal: Principal, source: Source, file_name: str, content: bytes
) -> Prepared:
    """Read an upload for a source (``detection.write``); nothing is changed.

    Holds no transaction while it reads, which takes seconds for thousands of rules. Raises
    InvalidInputError or TooLargeError for what is no set of rules.
    """
    principal.require("detection.write")
    return _prepare(database, principal, source, unpack_rules(file_name, content))


def _prepare(database: Database, principal: Principal, source: Source, files: Files) -> Prepared:
    with database.read(principal) as tx:
        texts = [each for each in read_texts(tx) if each.source_id != source.id]
        before = rules.read_digests(tx, source.id)
        decided = set(decisions.read_tunings(tx))
        decided |= {s.rule_id for s in decisions.list_suppressions(tx, now=tx.now, limit=100_000)}
        place = sources.find_source(tx, source.id)
        order = [s.id for s in sources.list_sources(tx)]
    where = order.index(source.id) if place else len(texts)
    own = SourceTexts(source.id, source.name, files)
    reading = read_library([*texts[:where], own, *texts[where:]])
    plan = make_plan(
        before, reading.of_source(source.id), faults=reading.faults.get(source.id, ()),
        decided=decided,
    )  # fmt: skip
    return Prepared(source, files, reading, plan)


def take_over(tx: Transaction, prepared: Prepared) -> Source:
    """Put what was prepared in force (``detection.write``).

    Raises InvalidInputError if no rule in it can be used: an empty set is never meant.
    """
    tx.principal.require("detection.write")
    source = prepared.source
    if not prepared.reading.of_source(source.id):
        raise InvalidInputError(
            msg("None of the %(n)s files holds a rule that can be used.", n=len(prepared.files)),
            hint=msg("The faults say what each lacks; the rules you have stay in force."),
        )
    digest = digest_of("\n".join(f"{n} {digest_of(c)}" for n, c in prepared.files).encode())
    taken = replace(source, digest=digest, taken_at=tx.now, trouble=None)
    _write_source(tx, taken)
    if source.origin is not Origin.BUILTIN:
        named = [(name, digest_of(content), content) for name, content in prepared.files]
        sources.replace_files(tx, source.id, named)
    _write_reading(tx, prepared.reading)
    _record_taken(tx, taken, prepared.plan)
    return taken


def _write_source(tx: Transaction, source: Source) -> None:
    if sources.find_source(tx, source.id):
        sources.update_source(tx, source)
        return
    check_name(tx, source.name)
    sources.insert_source(tx, source)


def check_name(tx: Transaction, name: str) -> str:
    """Return a name for a new source; raise InvalidInputError or ConflictError otherwise."""
    plain = " ".join(name.split())
    if not 1 <= len(plain) <= LONGEST_NAME:
        raise InvalidInputError(
            msg("A name of 1 to %(most)s characters is expected.", most=LONGEST_NAME)
        )
    if sources.find_source_named(tx, plain):
        raise ConflictError(
            msg("There is a source named “%(name)s” already.", name=plain),
            hint=msg("Choose another name, or update that source."),
        )
    if len(sources.list_sources(tx)) >= _MOST_SOURCES:
        raise ConflictError(
            msg("There are %(n)s sources already.", n=_MOST_SOURCES),
            hint=msg("Remove one that is no longer used."),
        )
    return plain


def _write_reading(tx: Transaction, reading: Reading) -> None:
    rules.replace_rules(tx, ((r, *_found(reading, r)) for r in reading.rules))
    for source in sources.list_sources(tx):
        sources.replace_faults(tx, source.id, reading.faults.get(source.id, ()))


def _found(reading: Reading, rule: KeptRule) -> tuple[Sequence[str], Sequence[str]]:
    tagged = reading.tags_of(rule)
    return [t.id for t in tagged.techniques], tagged.tactics


def _record_taken(tx: Transaction, source: Source, plan: Plan) -> None:
    evidence.record(
        tx,
        kind="detection.rules_taken",
        subject=f"rules:{source.id}",
        detail={
            "name": source.name, "digest": source.digest, "added": len(plan.added),
            "changed": len(plan.changed), "removed": len(plan.removed), "kept": plan.kept,
            "faults": len(plan.faults), "lost": list(plan.lost)[:50],
        },
    )  # fmt: skip


def remove_source(database: Database, principal: Principal, source_id: str) -> None:
    """Take a source with all its rules out of force (``detection.write``)."""
    principal.require("detection.write")
    with database.read(principal) as tx:
        source = find_removable(tx, source_id)
        texts = [each for each in read_texts(tx) if each.source_id != source_id]
    reading = read_library(texts)
    with database.write(principal) as tx:
        find_removable(tx, source_id)
        sources.delete_source(tx, source_id)
        _write_reading(tx, reading)
        evidence.record(
            tx, kind="detection.source_removed", subject=f"rules:{source_id}",
            detail={"name": source.name},
        )  # fmt: skip


def find_removable(tx: Transaction, source_id: str) -> Source:
    """Return a source that may be removed or updated; Sekisho's own rules may not."""
    source = sources.find_source(tx, source_id)
    if source is None:
        raise NotFoundError(msg("There is no such source of rules."))
    if source.origin is Origin.BUILTIN:
        raise ConflictError(
            msg("Sekisho's own rules come with the program and stay."),
            hint=msg("Turn single rules off on their pages."),
        )
    return source


def new_source(name: str, *, address: str = "", automatic: bool = False) -> Source:
    """Make a source that holds no rules yet."""
    origin = Origin.ADDRESS if address else Origin.FILES
    return Source(new_id("src"), " ".join(name.split()), origin, 0, address, automatic)


def settle_own_rules(database: Database, principal: Principal) -> bool:
    """Put the rules of this version of Sekisho in force; return whether that was needed."""
    files = read_own_rules()
    digest = digest_of("\n".join(f"{n} {digest_of(c)}" for n, c in files).encode())
    with database.read(principal) as tx:
        source = sources.find_source(tx, OWN_SOURCE)
    if not files or source is None or source.digest == digest:
        return False
    prepared = _prepare(database, principal, source, files)
    with database.write(principal) as tx:
        take_over(tx, prepared)
    return True
