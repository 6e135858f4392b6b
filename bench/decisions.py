"""What one decision costs with 200 policies, beside the bare Cedar call with the same shard.

``python bench/decisions.py``. CPU time of this process, best of several rounds (a busy machine only
adds to it). The 200 policies are those of a house with 60 resources: most name a resource and a
group, some hold everywhere. ``ratio`` is ours to the floor: one call of Cedar with handles, request
and context ready, over the very shard that decided.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from access.making import book, device, policy, resource, signals
from sekisho.access.engine import deciding
from sekisho.access.engine.context import make_context, make_memberships, make_places
from sekisho.access.engine.schema import ACTION
from sekisho.access.policies import Effect

ROUNDS, CALLS = 15, 400


def _measure(work: Callable[[], object]) -> float:
    """Return the CPU microseconds of one call, the best round."""
    work()
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            work()
        best = min(best, (time.process_time() - began) / CALLS * 1e6)
    return best


def main() -> None:
    """Measure and print the table."""
    import cedarpy  # noqa: PLC0415 - measured after the import

    named = [
        policy(f"p{n}", groups=(f"grp_{n % 40}", "grp_sales") if n % 9 == 0 else (f"grp_{n % 40}",),
               resources=(f"res_{n % 60}" if n % 9 else "res_wiki",), strength=2,
               controls=("disk-encryption",))
        for n in range(180)
    ]  # fmt: skip
    everywhere = [
        policy(f"f{n}", effect=Effect.FORBID, groups=(f"grp_{n}",), trusts=(3,)) for n in range(20)
    ]
    rules, wiki = book(*named, *everywhere), resource()
    good, bad = signals(), signals(device=device(posture="not_allowed"))
    shard = rules.shard(make_memberships(good), make_places(wiki))
    context = {n: v for n, v in make_context(good).items() if n in shard.attributes}
    request = {
        "principal": {"type": "Person", "id": good.person.person_id}, "action": ACTION,
        "resource": {"type": "Resource", "id": wiki.id},
        "context": deciding._encode(context).decode(),  # noqa: SLF001 - the very same bytes
    }  # fmt: skip
    entities = deciding._find_entities(good, wiki, make_memberships(good))  # noqa: SLF001 - the same
    assert deciding.decide(rules, wiki, good).allow  # noqa: S101 - a benchmark of a refusal says nothing
    floor = _measure(lambda: cedarpy.is_authorized(request, shard.handle, entities))
    allow = _measure(lambda: deciding.decide(rules, wiki, good))
    deny = _measure(lambda: deciding.decide(rules, wiki, bad))
    print(f"policies in the book              {len(rules.policies):8}")
    print(f"policies in the shard             {len(shard.own):8}")
    print(f"of which Cedar is handed           {len(shard.names):8}")
    print(f"bare Cedar call (floor)           {floor:8.1f} µs CPU")
    print(f"decision, allow                   {allow:8.1f} µs CPU   ratio {allow / floor:.2f}")
    print(f"decision, deny                    {deny:8.1f} µs CPU   ratio {deny / floor:.2f}")


if __name__ == "__main__":
    main()
