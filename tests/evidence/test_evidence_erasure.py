"""A person's data goes for good; the chain and the story of its going stay."""

import pytest

from sekisho.evidence import service
from sekisho.evidence.model import NewRecord
from sekisho.kernel.db import Database
from sekisho.kernel.errors import InvalidInputError, NotFoundError, NotPermittedError
from sekisho.kernel.principal import SYSTEM, Principal, PrincipalKind


def fill(database: Database, count: int = 3) -> list[str]:
    with database.write(SYSTEM) as tx:
        rows = [NewRecord("p.seen", "person:1", {"名": f"山田{i}"}, "per_1") for i in range(count)]
        made = service.record_many(tx, rows)
        service.record(tx, kind="p.seen", subject="person:2", detail={}, person="per_2")
        service.seal_records(tx)
    return list(made)


def test_a_persons_data_is_gone_and_the_chain_holds(database: Database, admin: Principal) -> None:
    ids = fill(database)

    with database.write(admin) as tx:
        erasures = service.erase_payload(tx, person="per_1", reason="本人の請求")
        service.seal_records(tx)

    with database.read(SYSTEM) as tx:
        gone = [service.get_record(tx, i) for i in ids]
        told = service.get_record(tx, erasures[0])
        found = service.verify(tx)
        assert service.list_records(tx, search="山田") == []
    assert [(r.detail, r.person, r.erased_by) for r in gone] == [(None, None, erasures[0])] * 3
    assert told.detail == {"records": ids, "reason": "本人の請求"}
    assert (found.problems, found.erased) == ((), dict.fromkeys(ids, erasures[0]))


def test_many_records_give_several_erasure_records(database: Database) -> None:
    fill(database, 501)

    with database.write(SYSTEM) as tx:
        erasures = service.erase_payload(tx, person="per_1", reason="asked for")
        service.seal_records(tx)
        assert service.verify(tx).sound

    assert len(erasures) == 2


def test_evidence_about_evidence_is_not_erased(database: Database) -> None:
    ids = fill(database)
    with database.write(SYSTEM) as tx:
        erasures = service.erase_payload(tx, records=ids[:1], reason="asked for")

    for again in (erasures, ids[:1], ["rec_unknown"]):
        with pytest.raises(NotFoundError), database.write(SYSTEM) as tx:
            service.erase_payload(tx, records=again, reason="asked for")


@pytest.mark.parametrize(
    ("records", "person", "reason"),
    [([], None, "why"), (["rec_1"], "per_1", "why"), (["rec_1"], None, " ")],
)
def test_an_unclear_erasure_is_refused(
    database: Database, records: list[str], person: str | None, reason: str
) -> None:
    with pytest.raises(InvalidInputError), database.write(SYSTEM) as tx:
        service.erase_payload(tx, records=records, person=person, reason=reason)


def test_reading_does_not_allow_erasing(database: Database) -> None:
    fill(database)
    reader = Principal(PrincipalKind.PERSON, "per_3", "読", frozenset({"evidence.read"}))

    with pytest.raises(NotPermittedError), database.write(reader) as tx:
        service.erase_payload(tx, person="per_1", reason="why")
