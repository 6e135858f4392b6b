"""Secrets, retries after lost replies, rotation of node keys, clones: who gets in, and once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.osqueryd import FailedError
from sekisho.devices.desk import Desk
from sekisho.devices.guesses import GUESSES_PER_MINUTE
from sekisho.devices.model import DeviceState, KitKind, Ownership
from sekisho.devices.service import inventory, kits, lifecycle
from sekisho.evidence import service as evidence
from sekisho.findings import service as findings
from sekisho.kernel.db import Database
from sekisho.kernel.principal import Principal


def devices_of(database: Database, admin: Principal) -> list[Any]:
    with database.read(admin) as tx:
        return list(inventory.list_devices(tx, sort="enrolled_at").devices)


def test_the_same_host_may_try_again_after_a_lost_reply(
    make_osqueryd: Any, database: Database, admin: Principal
) -> None:
    host = make_osqueryd()
    lost = host.enroll()
    kept = host.enroll()
    assert lost != kept
    assert len(devices_of(database, admin)) == 1
    host.config()
    host.node_key = lost
    with pytest.raises(FailedError, match="node_invalid"):
        host.config()


def test_the_old_node_key_works_until_the_new_one_is_used(make_osqueryd: Any) -> None:
    host = make_osqueryd()
    old = host.enroll()
    host.config()
    new = host.enroll()
    host.node_key = old
    assert host.config()
    host.node_key = new
    assert host.config()
    host.node_key = old
    with pytest.raises(FailedError, match="node_invalid"):
        host.config()


def test_an_older_reply_that_arrives_last_still_works(make_osqueryd: Any) -> None:
    host = make_osqueryd()
    first = host.enroll()
    second = host.enroll()
    host.node_key = first
    assert host.config()
    host.node_key = second
    assert host.config()


def test_a_device_secret_is_for_one_host(make_osqueryd: Any) -> None:
    host = make_osqueryd()
    host.enroll()
    thief = make_osqueryd(secret=host.secret, host_identifier="another")
    with pytest.raises(FailedError, match="node_invalid: reused"):
        thief.enroll()
    twin = make_osqueryd(secret=host.secret, serial="JP-9999")
    with pytest.raises(FailedError, match="node_invalid: reused"):
        twin.enroll()
    assert host.config()


def test_secrets_that_ended_were_revoked_or_never_were(
    make_osqueryd: Any, make_kit: Any, clock: Any, database: Database, admin: Principal
) -> None:
    with pytest.raises(FailedError, match="node_invalid: unknown_secret"):
        make_osqueryd(secret="skt_nobody").enroll()
    ended = make_kit(life=timedelta(hours=1))
    clock.advance(hours=1)
    with pytest.raises(FailedError, match="node_invalid: expired"):
        make_osqueryd(secret=ended.secret.reveal()).enroll()
    revoked = make_kit()
    with database.write(admin) as tx:
        kits.revoke_kit(tx, revoked.kit.id)
    with pytest.raises(FailedError, match="node_invalid: revoked"):
        make_osqueryd(secret=revoked.secret.reveal()).enroll()
    with database.read(admin) as tx:
        codes = {r.detail["code"] for r in evidence.list_records(
            tx, kind="device.enrolment_refused") if r.detail}  # fmt: skip
    assert codes == {"expired", "revoked"}


def test_kits_are_found_by_label_and_state_a_page_at_a_time(
    make_osqueryd: Any, make_kit: Any, clock: Any, database: Database, admin: Principal
) -> None:
    for label, life in (("営業部 50%", 1), ("営業部 2027年春", 30), ("経理部", 30), ("開発部", 30)):
        kit = make_kit(label=label, life=timedelta(days=life))
        if label == "経理部":
            make_osqueryd(secret=kit.secret.reveal()).enroll()
    with database.write(admin) as tx:
        kits.revoke_kit(tx, kit.kit.id)
    clock.advance(days=2)
    with database.read(admin) as tx:
        for state, label in (("ended", "営業部 50%"), ("open", "営業部 2027年春"),
                             ("used", "経理部"), ("revoked", "開発部")):  # fmt: skip
            page = kits.page_kits(tx, "", state, limit=9, offset=0)
            assert [kit.label for kit in page.kits] == [label]
            assert [kits.kit_state(kit, tx.now) for kit in page.kits] == [state]
        assert page.counts == {"open": 1, "used": 1, "ended": 1, "revoked": 1}
        second = kits.page_kits(tx, "営業部", "", limit=1, offset=1)
        assert ([kit.label for kit in second.kits], second.total) == (["営業部 50%"], 2)
        assert kits.page_kits(tx, "0%", "", limit=9, offset=0).total == 1
        for sort in ("label", "-ends", "used", "no such order"):
            page = kits.page_kits(tx, "", "", limit=9, offset=0, sort=sort)
            assert len(page.kits) == 4, sort
        by_use = kits.page_kits(tx, "", "", limit=1, offset=0, sort="-used")
        assert [kit.label for kit in by_use.kits] == ["経理部"]
        assert kits.label_kits(tx, {kit.kit.id, "kit_nobody"}) == {kit.kit.id: "開発部"}


def test_the_wrong_ownership_is_told_as_such(make_osqueryd: Any, make_kit: Any) -> None:
    private = make_kit(ownership=Ownership.PRIVATE).secret.reveal()
    host = make_osqueryd(secret=private)
    with pytest.raises(FailedError, match="node_invalid: wrong_ownership"):
        host.enroll(ownership="company")
    company = make_osqueryd()
    company.enroll()
    with pytest.raises(FailedError, match="node_invalid: wrong_ownership"):
        make_osqueryd(secret=private).enroll()
    with pytest.raises(FailedError, match="node_invalid: no_identifier"):
        make_osqueryd(host_identifier="  ").enroll()


def test_a_group_secret_counts_hosts_and_not_tries(make_osqueryd: Any, make_kit: Any) -> None:
    secret = make_kit(KitKind.GROUP, max_devices=2).secret.reveal()
    for number in (1, 2):
        host = make_osqueryd(secret=secret, host_identifier=f"h{number}", serial=f"S-{number}")
        host.enroll()
        host.enroll()
    with pytest.raises(FailedError, match="node_invalid: exhausted"):
        make_osqueryd(secret=secret, host_identifier="h3", serial="S-3").enroll()


def test_a_pending_device_is_asked_nothing_and_counts_for_nothing_until_approved(
    make_osqueryd: Any, make_kit: Any, judged: Any, database: Database, admin: Principal,
    client: Any,
) -> None:  # fmt: skip
    host = make_osqueryd(secret=make_kit(KitKind.GROUP).secret.reveal())
    host.enroll()
    assert host.config()["packs"] == {}
    assert host.read() == {"queries": {}}
    host.pending = {"queries": {"fleet_policy_query_firewall@1": [{"1": "1"}]}, "statuses": {}}
    assert host.write() == {}
    assert judged() == {}
    (device,) = devices_of(database, admin)
    assert device.state is DeviceState.PENDING
    client.app.state["principal"] = replace(admin, authenticated_at=None)
    for act in ("approve", "withdraw"):  # neither by a session that was left open
        assert client.post(f"/api/devices/{device.id}/{act}").status_code == 403
    client.app.state["principal"] = admin
    reply = client.post(f"/api/devices/{device.id}/approve")
    assert reply.json()["state"] == "active"
    assert host.config()["packs"]["sekisho"]["queries"]
    assert host.read()["queries"]
    host.write()
    assert judged()


def test_a_re_enrolment_by_a_group_secret_needs_approval_again(
    make_osqueryd: Any, make_kit: Any, database: Database, admin: Principal, client: Any
) -> None:
    host = make_osqueryd(secret=make_kit(KitKind.GROUP).secret.reveal())
    host.enroll()
    (device,) = devices_of(database, admin)
    client.post(f"/api/devices/{device.id}/approve")
    host.enroll()
    assert devices_of(database, admin)[0].state is DeviceState.PENDING


def test_two_machines_with_one_identifier_are_told_apart_and_flagged(
    make_osqueryd: Any, make_kit: Any, database: Database, admin: Principal
) -> None:
    secret = make_kit(KitKind.GROUP, max_devices=5, approval=False).secret.reveal()
    one = make_osqueryd(secret=secret)
    two = make_osqueryd(secret=secret, serial="JP-0002")
    one.enroll()
    two.enroll()
    found = devices_of(database, admin)
    assert [device.flagged for device in found] == ["duplicate", "duplicate"]
    assert one.config()
    assert two.config()
    with database.read(admin) as tx:
        assert findings.count_open(tx) == 2


def test_serials_that_name_nobody_do_not_tell_machines_apart(
    make_osqueryd: Any, database: Database, admin: Principal
) -> None:
    host = make_osqueryd(serial="To Be Filled By O.E.M.")
    host.enroll()
    host.serial = "-1"
    host.enroll()
    (device,) = devices_of(database, admin)
    assert device.serial == ""


@pytest.mark.parametrize(
    "change",
    [{"host_identifier": "CLONE"}, {"serial": "JP-0099"}],
    ids=["identifier", "serial"],
)
def test_a_clone_of_an_enrolled_device_is_sent_to_enrol_and_a_finding_is_raised(
    make_osqueryd: Any, database: Database, admin: Principal, change: dict[str, str]
) -> None:
    host = make_osqueryd()
    host.enroll()
    host.snapshot("pack/sekisho/fleet_policy_query_firewall@1", [{"1": "1"}], 1795395600)
    host.log()
    clone = make_osqueryd(secret=host.secret, node_key=host.node_key, **change)
    clone.snapshot("pack/sekisho/fleet_policy_query_firewall@1", [], 1795395601)
    with pytest.raises(FailedError, match="another machine"):
        clone.log()
    with pytest.raises(FailedError, match="reused"):
        clone.enroll()
    assert host.config(), "the original keeps its key"
    (device,) = devices_of(database, admin)
    assert device.flagged == "clone"
    with database.read(admin) as tx:
        assert findings.count_open(tx) == 1


def test_counters_of_two_machines_that_overlap_are_noticed(
    make_osqueryd: Any, database: Database, admin: Principal
) -> None:
    host = make_osqueryd()
    host.enroll()
    for second, rows in ((1795395600, [{"1": "1"}]), (1795395700, [])):
        host.snapshot("pack/sekisho/fleet_policy_query_firewall@1", rows, second, counter=7)
        host.log()
    assert devices_of(database, admin)[0].flagged == "clone"


def test_guessing_secrets_is_slowed_down(make_osqueryd: Any) -> None:
    host = make_osqueryd(secret="skt_guess")
    for _ in range(GUESSES_PER_MINUTE):
        with pytest.raises(FailedError, match="unknown_secret"):
            host.enroll()
    with pytest.raises(FailedError, match="Too many"):
        host.enroll()


def test_a_withdrawn_device_is_told_so_and_nothing_comes_back(
    make_osqueryd: Any, judged: Any, database: Database, admin: Principal, client: Any, desk: Desk
) -> None:
    host = make_osqueryd()
    key = host.enroll()
    host.read()
    (device,) = devices_of(database, admin)
    assert client.post(f"/api/devices/{device.id}/withdraw").json()["state"] == "withdrawn"
    for act in (host.config, host.read, host.write, host.log):
        host.node_key = key
        with pytest.raises(FailedError, match="node_invalid"):
            act()
    assert judged() == {}
    desk.flush()
    with pytest.raises(FailedError, match="reused"):
        host.enroll()
    with database.read(admin) as tx:
        gone = lifecycle.require_device(tx, device.id, "devices.read")
    assert (gone.serial, gone.hostname, gone.seen_at) == ("", "", None)
