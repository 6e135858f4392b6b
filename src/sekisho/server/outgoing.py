"""What goes out of the house: notices handed out and sent, and newer lists asked for.

A server elsewhere that answers slowly must not keep the evidence waiting: this has its own thread.
"""

import threading
from collections.abc import Callable

from sekisho.controls.service import renewing
from sekisho.detection.sources.fetching import WebFetcher
from sekisho.devices.service import telling
from sekisho.kernel.db import Transaction
from sekisho.kernel.principal import SYSTEM
from sekisho.notices import service as notices
from sekisho.server.bootstrap import House
from sekisho.server.worker import Chore, run_worker

_HOUR = 3_600.0
_DAY = 24 * _HOUR
_LISTS = 6 * _HOUR
_ROUNDS = 50  # of a few hundred letters; then the others are looked at again


def make_outgoing(house: House) -> list[Chore]:
    """List the chores of the second thread."""
    outside = notices.make_outside(house.settings, house.box, house.clock)
    return [
        Chore("tell owners", 10, lambda h: telling.tell_owners(h.database)),
        Chore("tell of silence", _HOUR, _in_transaction(telling.tell_silent)),
        Chore("tell newcomers", 1, tell_newcomers),
        Chore("tell of ends", _HOUR, _in_transaction(notices.tell_ending_tokens)),
        Chore("tell of lost ways in", 10, _in_transaction(notices.tell_lost_ways_in)),
        Chore("tell of evidence", 60, _in_transaction(notices.tell_broken_evidence)),
        Chore("hand out notices", 1, lambda h: notices.hand_out(h.database, outside.zone)),
        Chore("send notices", 1, lambda h: send_all(h, outside)),
        Chore("old notices", _DAY, _in_transaction(notices.forget_old_notices)),
        *_of_lists(house),
    ]


def _of_lists(house: House) -> list[Chore]:
    """List nothing unless an address is named: the program asks nobody by itself."""
    address = house.settings.lists_from
    if not address:
        return []
    fetcher = WebFetcher(most=renewing.LARGEST)
    return [
        Chore("newer lists", _LISTS, lambda h: renewing.renew_lists(
            h.database, address, lambda file: fetcher.fetch(file, "").content or b"")),
    ]  # fmt: skip


def tell_newcomers(house: House) -> None:
    """Queue the mails of invitations; without a public name their links would lead nowhere."""
    if house.settings.public_name:
        with house.database.write(SYSTEM) as tx:
            notices.tell_newcomers(tx, house.settings.organisation)


def send_all(house: House, outside: notices.Outside) -> int:
    """Send round after round while anything leaves; return how many deliveries left."""
    total = 0
    for _ in range(_ROUNDS):
        sent = notices.send_due(house.database, outside)
        total += sent
        if not sent:
            break
    return total


def _in_transaction(work: Callable[[Transaction], object]) -> Callable[[House], None]:
    def run(house: House) -> None:
        with house.database.write(SYSTEM) as tx:
            work(tx)

    return run


def start_outgoing(house: House, stopping: threading.Event) -> threading.Thread:
    """Start the second thread; it ends with the letter in hand once ``stopping`` is set."""
    arguments = (house, make_outgoing(house), stopping)
    thread = threading.Thread(target=run_worker, args=arguments, name="outgoing", daemon=True)
    thread.start()
    return thread
