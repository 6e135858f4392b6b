"""What taking over new texts of a source would change."""

from collections.abc import Collection, Mapping, Sequence

from sekisho.detection.library import KeptRule, Plan
from sekisho.detection.model import RuleFault


def make_plan(
    before: Mapping[str, tuple[str, str]], after: Mapping[str, KeptRule],
    *, faults: Sequence[RuleFault], decided: Collection[str],
) -> Plan:  # fmt: skip
    """Compare what a source has (id → digest, title) with what it would have.

    ``decided`` are ids about which the organisation said something; those that would lose their
    rule are named, since the word about them would lie idle.
    """
    removed = sorted(set(before) - set(after))
    added = sorted(set(after) - set(before))
    both = set(before) & set(after)
    changed = sorted(id_ for id_ in both if before[id_][0] != after[id_].digest)
    titles = {id_: before[id_][1] for id_ in removed}
    titles |= {id_: after[id_].title for id_ in (*added, *changed)}
    return Plan(
        tuple(added), tuple(changed), tuple(removed), len(both) - len(changed), tuple(faults),
        tuple(id_ for id_ in removed if id_ in decided), titles,
    )  # fmt: skip
