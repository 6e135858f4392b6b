"""The loop's manners towards a server that refuses: it slows down and does not hammer."""

from contextlib import closing
from dataclasses import replace

from fakes.osquery_server import OsqueryServer
from sekisho.agent import cadence
from sekisho.agent.cadence import Step
from sekisho.agent.loop import Loop, Stop
from support.agent import MakeSession

MINUTE = 60


def test_a_refused_enrolment_comes_again_ever_more_slowly(
    server: OsqueryServer, make_session: MakeSession
) -> None:
    now = 0.0
    session = make_session()
    plan = cadence.start(now, enrolled=False, splay=0)
    session.kit = replace(session.kit, secret="wrong")
    tries = 0
    with closing(Stop()) as stop:
        loop = Loop(session, plan, frozenset, stop, clock=lambda: now)
        while now < 10 * MINUTE:
            loop.do(Step.ENROL)
            assert loop.plan.next_at[Step.ENROL] > now
            now = loop.plan.next_at[Step.ENROL]
            tries += 1

    assert tries <= 12
    assert server.taken.enrolments == []
