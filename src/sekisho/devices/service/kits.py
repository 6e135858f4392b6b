"""Enrolment kits: made once, shown once, bound, ended."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sekisho.devices.consent import CONSENT_VERSION
from sekisho.devices.model import Kit, KitKind, Ownership
from sekisho.devices.store import kits as store
from sekisho.evidence import service as evidence
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError, NotPermittedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import KitID, PersonID, digest_token, new_id, new_token
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.kernel.secrets import Secret

LONGEST_LIFE = timedelta(days=90)
MOST_DEVICES = 50_000
LONGEST_LABEL = 100
_SECRET_PREFIX = "skt_"  # noqa: S105 - tells secret scanners what it is


@dataclass(frozen=True, slots=True)
class KitOrder:
    """What a kit shall be for.

    ``max_devices`` counts for a group secret only; ``approval`` None means: a group secret asks
    for it, a device secret does not. ``consent_version`` is the text its owner has agreed to when
    they make a kit for their own private PC.
    """

    kind: KitKind
    ownership: Ownership
    label: str = ""
    owner_id: PersonID | None = None
    max_devices: int = 1
    life: timedelta = timedelta(days=7)
    approval: bool | None = None
    consent_version: str | None = None


@dataclass(frozen=True, slots=True)
class NewKit:
    """A kit that was just made, with its secret, which is not kept."""

    kit: Kit
    secret: Secret


def create_kit(tx: Transaction, order: KitOrder) -> NewKit:
    """Make a kit; only a digest of its secret is kept.

    Needs ``devices.write``; with ``self.write`` a person may make a kit for a private PC of
    their own. Raises InvalidInputError for an order that makes no sense.
    """
    _check_right(tx.principal, order)
    _check_order(order)
    if order.kind is KitKind.GROUP and order.approval is False:
        tx.principal.require_fresh(tx.now)  # whoever gets it brings in what they like
    secret = _SECRET_PREFIX + new_token()
    kit = Kit(
        id=KitID(new_id("kit")),
        kind=order.kind,
        ownership=order.ownership,
        label=order.label.strip(),
        owner_id=order.owner_id,
        needs_approval=order.kind is KitKind.GROUP if order.approval is None else order.approval,
        max_devices=order.max_devices if order.kind is KitKind.GROUP else 1,
        used_devices=0,
        bound_identifier=None,
        bound_device=None,
        consent_version=order.consent_version,
        consented_at=tx.now if order.consent_version else None,
        created_by=tx.principal.reference,
        created_at=tx.now,
        ends_at=tx.now + order.life,
    )
    store.insert_kit(tx, kit, digest_token(secret))
    _record(tx, "device.kit_created", kit)
    return NewKit(kit, Secret(secret))


def revoke_kit(tx: Transaction, kit_id: str) -> None:
    """End a kit at once; devices that are enrolled stay. Needs ``devices.write``."""
    tx.principal.require("devices.write")
    kit = get_kit(tx, kit_id)
    if kit.revoked_at is None:
        store.update_kit(tx, kit_id, revoked_at=tx.now)
        _record(tx, "device.kit_revoked", kit)


def get_kit(tx: Transaction, kit_id: str) -> Kit:
    """Return one kit (never its secret); raise NotFoundError. Needs ``devices.read``."""
    tx.principal.require("devices.read")
    kit = store.find_kit(tx, kit_id=kit_id)
    if kit is None:
        raise NotFoundError(msg("There is no kit %(id)s.", id=kit_id))
    return kit


def list_kits(tx: Transaction, limit: int = 200) -> list[Kit]:
    """Return the newest kits. Needs ``devices.read``."""
    tx.principal.require("devices.read")
    return store.list_kits(tx, limit)


@dataclass(frozen=True, slots=True)
class KitPage:
    """One page of kits, how many match, and how many there are in each state."""

    kits: list[Kit]
    total: int
    counts: dict[str, int]


def page_kits(
    tx: Transaction, search: str, state: str, *, limit: int, offset: int, sort: str = "-made"
) -> KitPage:
    """Return one page of the kits whose label holds ``search``. Needs ``devices.read``.

    An order that is not known lists the newest first.
    """
    tx.principal.require("devices.read")
    known = sort if sort.removeprefix("-") in store.SORTS else "-made"
    found, total = store.page_kits(tx, search.strip(), state, limit, offset, known)
    return KitPage(found, total, store.count_kits(tx))


def label_kits(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """Return id → label of these kits. Needs ``devices.read``."""
    tx.principal.require("devices.read")
    return store.label_kits(tx, ids)


def kit_state(kit: Kit, now: datetime) -> str:
    """Say in one word how a kit stands: open, used, ended or revoked."""
    if kit.revoked_at is not None:
        return "revoked"
    if now >= kit.ends_at:
        return "ended"
    return "used" if kit.used_devices >= kit.max_devices else "open"


def _check_right(principal: Principal, order: KitOrder) -> None:
    own = (
        order.ownership is Ownership.PRIVATE
        and order.kind is KitKind.DEVICE
        and order.owner_id == principal.id
        and principal.kind is PrincipalKind.PERSON
    )
    principal.require("self.write" if own and not principal.allows("devices.write") else
                      "devices.write")  # fmt: skip
    if order.consent_version is not None and not own:
        raise NotPermittedError(
            msg("Only the owner of a private PC can agree to the check of it."),
            hint=msg("Make the kit without consent; the owner agrees on their own page."),
        )


def _check_order(order: KitOrder) -> None:
    if order.consent_version not in {None, CONSENT_VERSION}:
        raise InvalidInputError(
            msg("The consent text %(got)s is not the one in force (%(now)s).",
                got=order.consent_version, now=CONSENT_VERSION),
            hint=msg("Show the present text and ask again."),
        )  # fmt: skip
    if not timedelta(minutes=5) <= order.life <= LONGEST_LIFE:
        raise InvalidInputError(
            msg("A kit lives between 5 minutes and %(days)s days.", days=LONGEST_LIFE.days)
        )
    if not 1 <= order.max_devices <= MOST_DEVICES or len(order.label) > LONGEST_LABEL:
        raise InvalidInputError(
            msg("A kit is for 1 to %(most)s devices, with a label of at most %(long)s characters.",
                most=MOST_DEVICES, long=LONGEST_LABEL)
        )  # fmt: skip
    if "\0" in order.label:
        raise InvalidInputError(msg("The label holds a character that cannot be stored."))


def _record(tx: Transaction, kind: str, kit: Kit) -> None:
    detail = {
        "kind": kit.kind.value,
        "ownership": kit.ownership.value,
        "label": kit.label,
        "max_devices": kit.max_devices,
        "approval": kit.needs_approval,
        "ends_at": kit.ends_at.isoformat(),
        "consent": kit.consent_version,
    }
    evidence.record(tx, kind=kind, subject=f"kit:{kit.id}", detail=detail, person=kit.owner_id)
