"""Puts the sample app behind the gate of a new installation, so that a newcomer sees it work."""

from sekisho.access import service as access
from sekisho.access.engine.forms import write_form
from sekisho.access.model import Resource, ResourceID, ResourceKind, Trust, Upstream
from sekisho.access.policies import Policy, PolicyForm
from sekisho.kernel.db import Transaction
from sekisho.kernel.installation import get_fact, set_fact
from sekisho.server.gate.plan import SAMPLE_HOST

FACT = "gate.sample"
HOST = "sample.localhost"  # browsers take every name below localhost for this machine (RFC 6761)


def seed_sample(tx: Transaction) -> bool:
    """Add the sample app and the policy that opens it, once and only where there is nothing yet."""
    if get_fact(tx, FACT):
        return False
    set_fact(tx, FACT, True)
    if access.list_resources(tx) or access.version_in_force(tx) is not None:
        return False
    made = access.add_resource(tx, Resource(
        id=ResourceID(""), key="sample", name_ja="見本アプリ", name_en="Sample app",
        kind=ResourceKind.HTTP, public_host=HOST, upstreams=(Upstream(SAMPLE_HOST, 80),),
        least_trust=Trust.BROWSER,
    ))  # fmt: skip
    opens = Policy(
        "sample", write_form("sample", PolicyForm(resources=(made.id,))),
        "見本アプリは社員なら開ける", "Everybody here may open the sample app",
    )  # fmt: skip
    access.propose_policies(tx, [opens], note="sample", based_on=0)
    return True
