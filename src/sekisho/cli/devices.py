"""``sekisho devices``: enrolment kits and the list of devices, on the server's own machine.

``kit create`` is the only moment at which a kit's secret can be seen: it goes into the archive
that is written, readable for its owner alone, and not on the screen. Exit codes: 0 fine, 1 the
list holds a silent or flagged device, 2 could not.
"""

import argparse
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from sekisho.cli.acting import COMMAND, add_act
from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.devices import engine
from sekisho.devices.api import shapes
from sekisho.devices.configuration import DISTRIBUTED_SECONDS
from sekisho.devices.kitfiles import pack_archive
from sekisho.devices.model import Device, KitKind, Ownership, Platform
from sekisho.devices.plans import make_plan
from sekisho.devices.service import kits, sites
from sekisho.devices.service.verdicts import ListWish, search_devices
from sekisho.kernel.errors import ConflictError, InvalidInputError
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.ids import PersonID
from sekisho.server.bootstrap import House, open_house
from sekisho.server.rulebook import open_rulebook
from sekisho.worklists.model import Listing

_PAGE = 500
_encode = msgspec.json.Encoder(order="sorted").encode


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``devices``."""
    parser = nouns.add_parser("devices", help="enrolment kits and the list of devices")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_list(verbs)
    add_act(verbs, Listing.DEVICES)
    kit = verbs.add_parser("kit", help="make, list and revoke enrolment kits")
    acts = kit.add_subparsers(metavar="ACT", required=True)
    _add_create(acts)
    listed = acts.add_parser("list", help="the newest kits, without their secrets")
    add_data_option(listed)
    listed.set_defaults(run=run_kit_list)
    revoke = acts.add_parser("revoke", help="end a kit at once")
    add_data_option(revoke)
    revoke.add_argument("kit", metavar="KIT")
    revoke.set_defaults(run=run_kit_revoke)


def _add_list(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listed = verbs.add_parser("list", help="the devices and where they stand")
    add_data_option(listed)
    listed.add_argument("--search", default="", metavar="TEXT")
    listed.add_argument("--ownership", choices=[each.value for each in Ownership])
    listed.add_argument("--platform", choices=[each.value for each in Platform])
    listed.add_argument("--verdict", choices=("fail", "unknown", "pass", "exempt"), default="")
    listed.add_argument("--silent", action="store_true", help="only those that went silent")
    listed.set_defaults(run=run_list)


def _add_create(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    create = acts.add_parser("create", help="make a kit and write it as a ZIP archive")
    add_data_option(create)
    create.add_argument("--ownership", choices=[each.value for each in Ownership],
                        default="company")  # fmt: skip
    create.add_argument("--devices", type=int, default=1, metavar="N",
                        help="more than one makes a group secret")  # fmt: skip
    create.add_argument("--days", type=int, default=7, metavar="N")
    create.add_argument("--label", default="", metavar="TEXT")
    create.add_argument("--owner", default="", metavar="PERSON", help="the id of its user")
    create.add_argument("--no-approval", action="store_true",
                        help="let devices of a group secret in without approval")  # fmt: skip
    create.add_argument("--out", type=Path, default=Path("sekisho-kit.zip"), metavar="FILE")
    create.set_defaults(run=run_kit_create)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the devices; 1 if one of them is silent or flagged."""
    wish = ListWish(
        search=arguments.search,
        ownership=Ownership(arguments.ownership) if arguments.ownership else None,
        platform=Platform(arguments.platform) if arguments.platform else None,
        verdict=arguments.verdict,
        silent=arguments.silent,
    )
    with open_house(read_settings(arguments)) as house:
        devices, now = _all_devices(house, wish)
    silent = {each.id for each in devices if engine.is_silent(each, now, DISTRIBUTED_SECONDS)}
    for device in devices:
        if arguments.format == "json":
            print(_encode(shapes.shape_device(device)).decode())
        else:
            print(_line(device, silent=device.id in silent))
    return 1 if silent or any(device.flagged for device in devices) else 0


def _all_devices(house: House, wish: ListWish) -> tuple[Sequence[Device], datetime]:
    found: list[Device] = []
    with house.database.read(COMMAND) as tx:
        while True:
            page = search_devices(tx, wish, offset=len(found), limit=_PAGE)
            found += page.devices
            if len(page.devices) < _PAGE:
                return found, tx.now


def _line(device: Device, *, silent: bool) -> str:
    told = device.seen_at.isoformat(timespec="seconds") if device.seen_at else "-"
    marks = " ".join(
        [*(["silent"] if silent else []), *([device.flagged] if device.flagged else [])]
    )
    return (
        f"{device.id}  {device.state.value:9}  {device.ownership.value:7}  "
        f"{device.platform.value:7}  {told:25}  {device.title}  {marks}"
    ).rstrip()


def run_kit_create(arguments: argparse.Namespace) -> int:
    """Make a kit and write its archive; refuses to overwrite a file."""
    if arguments.out.exists():
        raise ConflictError(
            msg("%(path)s exists already.", path=arguments.out),
            hint=msg("Name another file with --out."),
        )
    if arguments.days < 1 or arguments.devices < 1:
        raise InvalidInputError(msg("--days and --devices are whole numbers from 1."))
    settings = read_settings(arguments)
    controls = open_rulebook(settings)
    with open_house(settings) as house, house.database.write(COMMAND) as tx:
        made = kits.create_kit(tx, _order(arguments))
        site = sites.describe_site(tx, house.box, settings, house.authority)
        plans = {
            each: make_plan(controls, each, made.kit.ownership, agent=False) for each in Platform
        }
        files, _ = sites.write_kit_files(site, made, plans)
        _write_private(arguments.out, pack_archive(files))
    if arguments.format == "json":
        shape = msgspec.to_builtins(shapes.shape_kit(made.kit, made.kit.created_at))
        print(_encode({"kit": shape, "file": str(arguments.out)}).decode())
        return 0
    _say(msg("The kit %(id)s is in %(path)s; it holds a secret and works until %(end)s.",
             id=made.kit.id, path=arguments.out,
             end=made.kit.ends_at))  # fmt: skip
    _say(msg("On the device: sekisho agent enroll %(file)s", file=arguments.out.name))
    return 0


def _order(arguments: argparse.Namespace) -> kits.KitOrder:
    group = arguments.devices > 1
    return kits.KitOrder(
        kind=KitKind.GROUP if group else KitKind.DEVICE,
        ownership=Ownership(arguments.ownership),
        label=arguments.label,
        owner_id=PersonID(arguments.owner) if arguments.owner else None,
        max_devices=arguments.devices,
        life=timedelta(days=arguments.days),
        approval=group and not arguments.no_approval,
    )


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def run_kit_list(arguments: argparse.Namespace) -> int:
    """Print the newest kits."""
    with open_house(read_settings(arguments)) as house, house.database.read(COMMAND) as tx:
        shaped = [shapes.shape_kit(kit, tx.now) for kit in kits.list_kits(tx)]
    for kit in shaped:
        if arguments.format == "json":
            print(_encode(kit).decode())
        else:
            used = f"{kit.used_devices}/{kit.max_devices}"
            end = kit.ends_at.isoformat(timespec="minutes")
            print(f"{kit.id}  {kit.state:7}  {kit.ownership:7}  {used:>9}  {end}  {kit.label}")
    return 0


def run_kit_revoke(arguments: argparse.Namespace) -> int:
    """End a kit."""
    with open_house(read_settings(arguments)) as house, house.database.write(COMMAND) as tx:
        kits.revoke_kit(tx, arguments.kit)
    if arguments.format == "json":
        print(_encode({"kit": arguments.kit, "state": "revoked"}).decode())
    else:
        _say(msg("The kit %(id)s is ended.", id=arguments.kit))
    return 0


def _say(text: Text) -> None:
    print(translate(text, speaking()))
