"""What a test does to a device's verdicts, and sees of them."""

from sekisho.controls import service
from sekisho.controls.model import Answer, Subject, Verdict
from sekisho.kernel.db import Database
from sekisho.kernel.principal import SYSTEM


def verdict_of(database: Database, subject: Subject, control: str) -> Verdict:
    with database.read(SYSTEM) as tx:
        return next(
            v for v in service.list_verdicts(tx, subject.device_id) if v.control_id == control
        )


def judge_all(database: Database, subject: Subject, answers: list[Answer]) -> list[str]:
    with database.write(SYSTEM) as tx:
        changes = service.judge_answers(tx, subject, answers, tx.now)
    return [f"{c.control_id} {c.before} {c.after.kind}" for c in changes]
