"""A client of osquery's TLS remote API, written from the protocol document, from nothing of ours.

It behaves as osqueryd 5.23 does: the body alone decides, an empty body is success, a failure is
unparsable JSON, ``node_invalid`` or a top-level ``error``; what could not be delivered is kept and
sent again, merged with what came after. Statuses are kept for tests that look at them.
"""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Transport(Protocol):
    """Sends one POST and gives back status and body."""

    def __call__(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]: ...


class FailedError(Exception):
    """The exchange failed in the client's eyes; the reason is what the server said."""


Answerer = Callable[[str], tuple[list[dict[str, str]], int, str]]
"""Runs one query: rows, status, message."""


@dataclass
class Osqueryd:
    transport: Transport
    secret: str
    host_identifier: str = "4C4C4544-0042-3510-8052-B4C04F4D3532"
    platform_type: str = "2"
    serial: str = "JP-0001"
    hostname: str = "PC-SAEKI"
    version: str = "5.23.1"
    authorization: bool = True
    node_key: str = ""
    last_status: int = 0
    answer: Answerer = field(default=lambda _sql: ([{"1": "1"}], 0, ""))
    pending: dict[str, Any] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def exchange(self, path: str, message: object, *, compress: bool = False) -> dict[str, Any]:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"osquery/{self.version}",
        }
        if self.authorization and self.node_key:
            headers["Authorization"] = f"NodeKey {self.node_key}"
        if compress:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        self.last_status, raw = self.transport(f"/api/osquery/{path}", body, headers)
        return self._judge(raw)

    def _judge(self, raw: bytes) -> dict[str, Any]:
        if not raw:
            return {}
        try:
            reply = json.loads(raw)
        except ValueError as error:
            raise FailedError(f"not JSON: {raw[:200]!r}") from error
        if reply.get("node_invalid", False):
            self.node_key = ""
            raise FailedError(f"node_invalid: {reply.get('error', '')}")
        if "error" in reply:
            raise FailedError(str(reply["error"]))
        return dict(reply)

    def enroll(self, **changes: object) -> str:
        message: dict[str, object] = {
            "enroll_secret": self.secret,
            "host_identifier": self.host_identifier,
            "platform_type": self.platform_type,
            "host_details": self.host_details(),
        } | changes
        reply = self.exchange("enroll", message)
        self.node_key = reply.get("node_key") or reply.get("id") or ""
        if not self.node_key:
            raise FailedError("no node_key")
        return self.node_key

    def host_details(self) -> dict[str, dict[str, str]]:
        return {
            "os_version": {
                "name": "Microsoft Windows 11 Pro", "version": "10.0.26100", "major": "10",
                "minor": "0", "patch": "", "build": "26100", "platform": "windows",
                "platform_like": "windows", "arch": "64-bit", "revision": "7019",
            },
            "osquery_info": {
                "pid": "4711", "uuid": self.host_identifier, "instance_id": "i-1",
                "version": self.version, "platform_mask": self.platform_type,
            },
            "system_info": {
                "hostname": self.hostname, "uuid": self.host_identifier,
                "hardware_vendor": "Fujitsu", "hardware_model": "LIFEBOOK U9",
                "hardware_serial": self.serial, "computer_name": self.hostname,
            },
            "platform_info": {"vendor": "Fujitsu", "version": "1.2", "firmware_type": "uefi"},
        }  # fmt: skip

    def config(self) -> dict[str, Any]:
        return self.exchange("config", {"node_key": self.node_key})

    def read(self) -> dict[str, Any]:
        """Ask for work, run it, keep the results until a write has delivered them."""
        reply = self.exchange("distributed/read", {"node_key": self.node_key})
        for name, sql in reply.get("queries", {}).items():
            if not (isinstance(name, str) and name and isinstance(sql, str) and sql):
                raise FailedError("one bad entry rejects the whole reply")
            rows, status, message = self.answer(sql)
            for part, value in (("queries", rows), ("statuses", status), ("messages", message)):
                self.pending.setdefault(part, {})[name] = value
        return reply

    def write(self) -> dict[str, Any]:
        """Deliver what is pending; it stays pending if that fails."""
        reply = self.exchange("distributed/write", {"node_key": self.node_key, **self.pending})
        self.pending = {}
        return reply

    def log(self, log_type: str = "result", *, compress: bool = True) -> dict[str, Any]:
        """Deliver the buffered lines; they stay buffered if that fails."""
        message = {"node_key": self.node_key, "log_type": log_type, "data": self.lines}
        reply = self.exchange("log", message, compress=compress)
        self.lines = []
        return reply

    def snapshot(
        self, name: str, rows: list[dict[str, str]], unix_time: int | str, **extra: object
    ) -> dict[str, Any]:
        line: dict[str, Any] = {
            "snapshot": rows, "action": "snapshot", "name": name,
            "hostIdentifier": self.host_identifier,
            "calendarTime": "Mon Nov 23 01:00:00 2026 UTC", "unixTime": unix_time,
            "epoch": 0, "counter": 0, "numerics": False,
            "decorations": {"host_uuid": self.host_identifier, "hardware_serial": self.serial},
        } | extra  # fmt: skip
        self.lines.append(line)
        return line

    def carve(self, guid: str, content: bytes, block_size: int) -> str:
        """Upload a file; raises FailedError as soon as the server stops it."""
        count = -(-len(content) // block_size)
        reply = self.exchange(
            "carve/begin",
            {"block_count": count, "block_size": block_size, "carve_size": len(content),
             "carve_id": guid, "request_id": "r-1", "node_key": self.node_key},
        )  # fmt: skip
        session = str(reply["session_id"])
        for number in range(count):
            part = content[number * block_size : (number + 1) * block_size]
            self.block(session, number, part)
        return session

    def block(self, session: str, number: int, part: bytes) -> None:
        data = base64.b64encode(part).decode()
        body = {"block_id": number, "session_id": session, "request_id": "r-1", "data": data}
        headers = {"Content-Type": "application/json"}
        if self.authorization and self.node_key:
            headers["Authorization"] = f"NodeKey {self.node_key}"
        raw = json.dumps(body).encode()
        self.last_status, reply = self.transport("/api/osquery/carve/block", raw, headers)
        if reply:
            try:
                json.loads(reply)
            except ValueError as error:
                raise FailedError(f"stopped: {reply[:200]!r}") from error
