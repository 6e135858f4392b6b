"""Devices that never stop answering: each remembers what was acknowledged and what may be."""

import random
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Self

import httpx

from fakes.osqueryd import FailedError, Osqueryd
from support.running import Running
from support.visiting import Post

PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class Member:
    """One device: it says yes and no to one rule in turn, and yes to everything else.

    ``acknowledged`` is the last answer the server took; ``uncertain`` are those sent after it
    whose reply was lost, each of which may or may not have arrived.
    """

    host: Osqueryd
    toggled: str
    names: tuple[str, ...]
    acknowledged: bool = True
    uncertain: list[bool] = field(default_factory=list)
    taken: int = 0
    lost: int = 0
    word: bool = True
    why: str = ""  # the last answer that was lost

    def answer(self) -> None:
        """Send one answer and note what became of it."""
        self.word = not self.word
        yes: list[dict[str, str]] = [{"1": "1"}]
        said = dict.fromkeys(self.names, yes) | {self.toggled: yes if self.word else []}
        self.host.pending = {"queries": said, "statuses": dict.fromkeys(said, 0)}
        try:
            self.host.write()
        except (FailedError, httpx.HTTPError) as error:
            self.why = repr(error)
            self.uncertain.append(self.word)
            self.lost += 1
            return
        self.acknowledged, self.uncertain = self.word, []
        self.taken += 1

    @property
    def possible(self) -> set[str]:
        """The verdicts that the database may hold without having lost anything."""
        return {"pass" if word else "fail" for word in (self.acknowledged, *self.uncertain)}


def enrol_member(client: httpx.Client, secret: str, number: int, control: str) -> Member:
    """Enrol one fake osqueryd and answer everything with yes once."""
    host = Osqueryd(
        Post(client), secret, host_identifier=f"4C4C4544-0042-3510-8052-{number:012X}",
        serial=f"JP-{number:04}", hostname=f"PC-{number:04}",
    )  # fmt: skip
    host.enroll()
    names = tuple(host.read()["queries"])
    toggled = next(name for name in names if name.startswith(f"fleet_policy_query_{control}@"))
    host.write()
    return Member(host, toggled, names)


class Crowd:
    """Members in threads of their own, each over a connection of its own."""

    def __init__(self, up: Running, secret: str, size: int, control: str) -> None:
        context = ssl.create_default_context(cafile=up.data / "ca" / "ca.pem")
        self.clients = [
            httpx.Client(base_url=up.public_url, verify=context, timeout=15) for _ in range(size)
        ]
        self.members = [
            enrol_member(client, secret, number, control)
            for number, client in enumerate(self.clients, 1)
        ]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(m,)) for m in self.members]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
        for client in self.clients:
            client.close()

    def _run(self, member: Member) -> None:
        while not self._over.is_set():
            member.answer()
            time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - not for secrets

    @property
    def taken(self) -> int:
        """How many answers were acknowledged so far."""
        return sum(member.taken for member in self.members)
