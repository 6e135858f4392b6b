"""What is exported can be applied: the plan is empty where it was, and the same state elsewhere."""

from dataclasses import dataclass
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sekisho.access import service as access
from sekisho.access.engine.forms import write_form
from sekisho.access.policies import Effect, Policy, PolicyForm
from sekisho.controls.reading import Source
from sekisho.controls.selfchecks import Audience
from sekisho.controls.service import selfchecks
from sekisho.identity import service as identity
from sekisho.identity.model import Assignment, Role, Strength, UnitKind
from sekisho.kernel.db import Database, Transaction
from sekisho.kernel.errors import ConflictError
from sekisho.kernel.ids import UnitID
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.secrets import SecretBox
from sekisho.notices import service as notices
from sekisho.notices.model import ChannelKind, Topic
from sekisho.server.apply.act import do_steps
from sekisho.server.apply.export import write_texts
from sekisho.server.apply.model import FILES, Kind, Section
from sekisho.server.apply.plan import make_plan
from sekisho.server.apply.policies import can_be_written
from sekisho.server.apply.reading import read_section
from sekisho.server.apply.state import State, read_state

_HARD = ["- a", "yes", "null", "1", "本社 / 営業部", "a//b", "/", "#x", "'", "{a: b}", "a: b", "&a"]
_names = st.sampled_from(_HARD) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda s: s.isprintable() and s.strip() != "")
_notes = st.sampled_from(["", "two\nlines", "  x", "#"]) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), max_size=12
)


@dataclass(frozen=True)
class Wish:
    """What a made-up organisation has, by numbers into what was made before."""

    units: tuple[tuple[str, int, UnitKind, str], ...]
    groups: tuple[tuple[str, str, frozenset[int]], ...]
    roles: tuple[frozenset[tuple[Role, int]], ...]
    schedules: tuple[tuple[Audience, int, int], ...]
    hooks: tuple[tuple[str, frozenset[Topic], bool], ...]
    strengths: dict[Role, Strength]


_few = st.integers(0, 5)
_wishes = st.builds(
    Wish,
    st.lists(
        st.tuples(_names, _few, st.sampled_from(UnitKind), st.sampled_from(["", "JP", "US"])),
        max_size=6,
    ).map(tuple),
    st.lists(st.tuples(_names, _notes, st.frozensets(st.integers(0, 2))), max_size=4).map(tuple),
    st.lists(
        st.frozensets(st.tuples(st.sampled_from(Role), _few), max_size=3), min_size=3, max_size=3
    ).map(tuple),
    st.lists(st.tuples(st.sampled_from(Audience), _few, st.sampled_from([0, 30, 90])),
             max_size=4).map(tuple),
    st.lists(st.tuples(_names, st.frozensets(st.sampled_from(Topic)), st.booleans()),
             max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(Role), st.sampled_from(Strength)),
)  # fmt: skip


class _Done(Exception):  # noqa: N818 - no error: it ends an example and undoes it
    """Ends an example; what it made is given up."""

    def __init__(self, sections: list[Section]) -> None:
        super().__init__()
        self.sections = sections


def _found(tx: Transaction, box: SecretBox, wish: Wish) -> None:
    """Make an organisation as wished; names that are taken are left out."""
    people = [
        identity.add_person(tx, name=name, email=f"{name}@example.jp", language="ja", roles=[])
        for name in ("a", "b", "c")
    ]
    units = list(_make_units(tx, wish))
    for person, held in zip(people, wish.roles, strict=True):
        wanted = [Assignment(r, UnitID(units[n]) if n < len(units) else None) for r, n in held]
        identity.set_roles(tx, person.id, wanted)
    groups: list[str] = []
    for name, note, members in wish.groups:
        try:
            groups.append(identity.create_group(tx, name, note).id)
        except ConflictError:
            continue
        identity.change_members(tx, groups[-1], add=[people[n].id for n in members])
    for audience, number, days in wish.schedules:
        ids = {Audience.UNIT: units, Audience.GROUP: groups}.get(audience, [""])
        if number < len(ids):
            selfchecks.make_schedule(tx, selfchecks.NewSchedule(
                "telework", audience, ids[number], every_days=days))  # fmt: skip
    for name, topics, enabled in wish.hooks:
        notices.set_channel(tx, box, notices.ChannelOrder(
            ChannelKind.SLACK, name, {}, {"url": "https://hooks.slack.com/services/x"},
            topics, "en", enabled))  # fmt: skip
    _make_policies(tx, units, groups)
    for role, strength in wish.strengths.items():
        identity.change_requirement(tx, f"role:{role.value}", int(strength))


def _make_policies(tx: Transaction, units: list[str], groups: list[str]) -> None:
    """Put policies in force, or leave them waiting where somebody could approve them."""
    forms = {
        **{f"unit-{n}": PolicyForm(units=(unit,)) for n, unit in enumerate(units)},
        **{f"group-{n}": PolicyForm(Effect.FORBID, groups=(group,))
           for n, group in enumerate(groups)},
    }  # fmt: skip
    policies = [Policy(name, write_form(name, form)) for name, form in forms.items()]
    texts = [Policy(f"t-{p.id}", p.text.replace(p.id, f"t-{p.id}") + " //") for p in policies]
    access.propose_policies(tx, [*policies, *texts], note="", based_on=0)


def _make_units(tx: Transaction, wish: Wish) -> list[str]:
    units: list[str] = []
    for name, above, kind, country in wish.units:
        draft = identity.UnitDraft(name, kind.value, country, "Asia/Tokyo", "ja")
        try:
            parent = units[above] if above < len(units) else None
            units.append(identity.create_unit(tx, draft, parent).id)
        except ConflictError:
            continue
    return units


def _read_back(state: State) -> list[Section]:
    texts = write_texts(state)
    sections = []
    for kind in FILES:
        source = Source(FILES[kind])
        section = read_section(texts[FILES[kind]], kind, source)
        assert source.faults == []
        assert section is not None
        sections.append(section)
    return sections


def _export_and_plan(database: Database, box: SecretBox, wish: Wish) -> NoReturn:
    with database.write(SYSTEM) as tx:
        _found(tx, box, wish)
        state = read_state(tx, box)
        sections = _read_back(state)
        assert make_plan(sections, state, {}).steps == ()
        raise _Done(sections)


_EVERYTHING = Wish(
    (("本社", 9, UnitKind.SUBSIDIARY, "JP"), ("R/D", 0, UnitKind.DEPARTMENT, "")),
    (("在宅", "週三日\n以上", frozenset({0, 2})),),
    (frozenset({(Role.MANAGER, 1), (Role.AUDITOR, 9)}), frozenset(), frozenset()),
    ((Audience.UNIT, 1, 90), (Audience.UNIT, 1, 30), (Audience.GROUP, 0, 0)),
    (("情シス", frozenset({Topic.SECURITY}), True), ("情シス", frozenset(), False)),
    {Role.ADMIN: Strength.RESISTANT},
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_wishes)
@example(_EVERYTHING)
def test_an_exported_state_has_an_empty_plan(
    database: Database, box: SecretBox, wish: Wish
) -> None:
    with pytest.raises(_Done):
        _export_and_plan(database, box, wish)


def test_an_exported_state_can_be_made_anew(database: Database, box: SecretBox) -> None:
    """Files of one installation make the same in another, and then there is nothing to do."""
    with pytest.raises(_Done) as done:
        _export_and_plan(database, box, _EVERYTHING)
    sections = done.value.sections
    environment = dict.fromkeys(
        ("SLACK_URL", "SLACK_URL_2"), "https://hooks.slack.com/services/new"
    )
    with database.write(SYSTEM) as tx:
        for name in ("a", "b", "c"):
            identity.add_person(tx, name=name, email=f"{name}@example.jp", language="ja", roles=[])
        empty = read_state(tx, box)
        plan = make_plan(sections, empty, environment)
        assert do_steps(tx, box, plan, empty, environment).refused == []
        made = read_state(tx, box)
        assert make_plan(sections, made, environment).steps == ()
        assert len(made.items[Kind.SELF_CHECK]) == 3
        assert len(made.items[Kind.CHANNEL]) == 2
        assert len(made.items[Kind.POLICY]) == 6
        assert all(can_be_written(item) for item in made.items[Kind.POLICY])
