"""Simulated osquery clients: one process, one thread, thousands of devices over TLS.

Written from osquery's remote API (``docs/wiki/deployment/remote.md``) alone; it shares no code
with the server. Reads a ``Job`` as JSON from standard input, prints one line ``started``, plays
until the time is over, then writes a ``Report`` as JSON to the file the job names.

The load is open: every call has an instant at which its device wants to make it, and its latency
counts from there, so that a slow server cannot thin out its own load. Replies are checked as
osqueryd does it: by the body alone.
"""

import heapq
import random
import select
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from bench.calls import (
    CONFIG,
    ENROLL,
    LOG,
    PATHS,
    READ,
    REQUEST_SECONDS,
    RETRY_WAITS,
    WRITE,
    Call,
    Client,
    Job,
    Line,
    Report,
    content_length,
    read_reply,
)
from bench.made_devices import logged_lines, make_answers


class Play:
    """All clients of this process and the loop that serves them."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.random = random.Random(job.population.seed)  # noqa: S311 - a scenario, no secret
        self.context = ssl.create_default_context(cafile=job.ca)
        self.poll = select.epoll()
        self.lines = [Line() for _ in range(job.lines)]
        self.clients = [
            Client(device, self.lines[at % job.lines])
            for at, device in enumerate(job.population.devices)
        ]
        self.by_number: dict[int, Line] = {}
        self.heap: list[tuple[float, int, Client, str]] = []
        self.order = 0
        self.report = Report()
        self.lags: list[float] = []
        self.measuring = False

    # --- time -------------------------------------------------------------------------------

    def later(self, at: float, client: Client, kind: str) -> None:
        """Let ``client`` want a call of ``kind`` at the instant ``at`` (monotonic seconds)."""
        self.order += 1
        heapq.heappush(self.heap, (at, self.order, client, kind))

    def run(self) -> Report:
        """Play: connect over the ramp, warm up, measure, and let open calls end."""
        start = time.monotonic()
        begin = start + self.job.ramp + self.job.warm
        end = begin + self.job.seconds
        for at, client in enumerate(self.clients):
            share = at / max(1, len(self.clients))
            if client.key:
                self.later(start + self.job.ramp * share, client, CONFIG)
            else:
                self.later(start + 0.9 * (end - start) * self.random.random(), client, ENROLL)
        self.until(begin)
        self.begin()
        self.until(end)
        self.finish()
        self.heap.clear()  # nobody begins anything new; what is under way may end
        self.until(end + REQUEST_SECONDS, idle_ends=True)
        return self.report

    def begin(self) -> None:
        """Count from here on."""
        self.measuring = True
        self.report.began = time.time()
        self.report.cpu = -time.process_time()
        self.report.connected = sum(line.open for line in self.lines)
        print("measuring", flush=True)

    def finish(self) -> None:
        """Count no longer."""
        self.measuring = False
        self.report.ended = time.time()
        self.report.cpu += time.process_time()
        self.lags.sort()
        self.report.lag = self.lags[int(len(self.lags) * 0.99)] if self.lags else 0.0
        print("measured", flush=True)

    def until(self, end: float, *, idle_ends: bool = False) -> None:
        """Serve timers and sockets until ``end``; with ``idle_ends`` until no call is open."""
        watch = 0.0
        while (now := time.monotonic()) < end:
            if now >= watch:
                watch = now + 0.5
                self.end_late_calls(now)
                if idle_ends and not any(line.call for line in self.lines):
                    return
            self.fire(now)
            wait = min(end, watch, self.heap[0][0] if self.heap else end) - time.monotonic()
            for number, _ in self.poll.poll(max(0.0, wait), 512):
                line = self.by_number.get(number)
                if line is not None:
                    self.serve(line)

    def fire(self, now: float) -> None:
        """Begin every call that is wanted by now."""
        while self.heap and self.heap[0][0] <= now:
            at, _, client, kind = heapq.heappop(self.heap)
            if self.measuring:
                self.lags.append(now - at)
            self.want(client, kind, at)

    def want(self, client: Client, kind: str, at: float) -> None:
        """Queue one call of a device and plan the next one of its kind."""
        interval = {
            READ: self.job.cadence.read,
            CONFIG: self.job.cadence.config,
            LOG: self.job.cadence.log,
        }.get(kind)
        if interval is not None:
            first = kind == CONFIG and not client.configured
            self.later(at + interval * (self.random.random() if first else 1), client, kind)
        if kind == WRITE and not client.results:
            return
        client.line.queue.append(Call(client, kind, at))
        if client.line.call is None:
            self.next_call(client.line)

    # --- one exchange -----------------------------------------------------------------------

    def next_call(self, line: Line) -> None:
        """Send the next waiting call, on a new connection if there is none."""
        if not line.queue:
            return
        line.call = call = line.queue.popleft()
        line.out = self.compose(call.client, call.kind)
        line.deadline = time.monotonic() + REQUEST_SECONDS
        line.drop = call.kind == WRITE and self.random.random() < self.job.lost
        if line.sock is None:
            self.connect(line)
        else:
            self.serve(line)

    def compose(self, client: Client, kind: str) -> bytes:
        """Write the request of one call."""
        headers = ""
        if kind == ENROLL:
            body = client.device.enrolment(self.job.secret)
        elif kind == WRITE:
            body = msgspec.json.encode({"node_key": client.key, **client.results})
        elif kind == LOG:
            body = logged_lines(client.device, client.key, self.random, time.time())
            headers = "Content-Encoding: gzip\r\n"
        else:
            body = b'{"node_key":"%s"}' % client.key.encode()
        if client.key:
            headers += f"Authorization: NodeKey {client.key}\r\n"
        head = (
            f"POST {PATHS[kind]} HTTP/1.1\r\nHost: {self.job.host}:{self.job.port}\r\n"
            "Content-Type: application/json\r\nAccept: application/json\r\n"
            f"User-Agent: osquery/{client.device.version}\r\nAccept-Encoding: gzip\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def connect(self, line: Line) -> None:
        """Begin a connection; TLS with the installation's own CA and the host's name checked."""
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect_ex(("127.0.0.1", self.job.port))
        try:
            line.sock = self.context.wrap_socket(
                plain, server_hostname=self.job.host, do_handshake_on_connect=False
            )
        except OSError as error:  # refused at once
            plain.close()
            self.broken(line, type(error).__name__)
            return
        line.open, line.fresh, line.buffer = False, True, b""
        self.by_number[line.sock.fileno()] = line
        self.poll.register(line.sock.fileno(), select.EPOLLOUT | select.EPOLLIN)

    def close(self, line: Line) -> None:
        """Close a connection without ceremony."""
        if line.sock is not None:
            number = line.sock.fileno()
            self.by_number.pop(number, None)
            self.poll.unregister(number)
            line.sock.close()
        line.sock, line.open = None, False

    def serve(self, line: Line) -> None:
        """Go on with a connection whose socket is ready."""
        sock = line.sock
        if sock is None:
            return
        try:
            if not line.open and not self.shake(line, sock):
                return
            if line.out and not self.send(line, sock):
                return
            self.receive(line, sock)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except (OSError, ssl.SSLError) as error:
            self.broken(line, type(error).__name__)

    def shake(self, line: Line, sock: ssl.SSLSocket) -> bool:
        """Go on with the handshake; tell whether it is over."""
        number = sock.fileno()
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self.poll.modify(number, select.EPOLLIN)
            return False
        except OSError as error:
            if error.errno in {107, 11}:  # not connected yet
                return False
            raise
        line.open = True
        self.poll.modify(number, select.EPOLLIN)
        self.count("connections")
        return True

    def send(self, line: Line, sock: ssl.SSLSocket) -> bool:
        """Send what is left; tell whether all of it is on its way."""
        while line.out:
            try:
                sent = sock.send(line.out)
            except ssl.SSLWantWriteError:
                self.poll.modify(sock.fileno(), select.EPOLLOUT | select.EPOLLIN)
                return False
            line.out = line.out[sent:]
        self.poll.modify(sock.fileno(), select.EPOLLIN)
        return True

    def receive(self, line: Line, sock: ssl.SSLSocket) -> None:
        """Read what has come; end the call when its reply is whole."""
        while True:
            part = sock.recv(65536)
            if not part:
                raise ConnectionResetError
            if line.call is None:
                continue
            if line.drop:  # the server has answered, and the answer is lost on the way
                self.count("replies lost on purpose")
                self.broken(line, "")
                return
            line.buffer += part
            head, found, rest = line.buffer.partition(b"\r\n\r\n")
            if not found:
                continue
            size = content_length(head)
            if len(rest) >= size:
                line.buffer = rest[size:]
                self.answered(line, head, rest[:size])
                return

    # --- what a reply means -----------------------------------------------------------------

    def answered(self, line: Line, head: bytes, body: bytes) -> None:
        """Take a whole reply over, as osqueryd would."""
        call, line.call, line.fresh = line.call, None, False
        if call is None:
            return
        self.judge(call, read_reply(head, body), len(body))
        if line.call is None:
            self.next_call(line)

    def judge(self, call: Call, reply: dict[str, Any], size: int) -> None:
        """Tell success from failure by the body, and go on accordingly."""
        if reply.get("node_invalid"):
            self.error(f"{call.kind}: node_invalid")
            call.client.key = ""
            self.want(call.client, ENROLL, time.monotonic())
            return
        if "error" in reply:
            self.again(call, f"{call.kind}: {reply['error']}")
            return
        if self.measuring:
            self.report.latencies.setdefault(call.kind, []).append(time.monotonic() - call.wanted)
        self.count(call.kind)
        self.take(call.client, call, reply, size)

    def take(self, client: Client, call: Call, reply: dict[str, Any], size: int) -> None:
        """Do what a good reply asks for."""
        now = time.monotonic()
        if call.kind == ENROLL:
            client.key = reply.get("node_key", "")
            self.report.keys[client.device.identifier] = client.key
            self.want(client, CONFIG, now)
        elif call.kind == CONFIG:
            self.report.config_bytes = max(self.report.config_bytes, size)
            if not client.configured:
                client.configured = True
                client.device.read_config(reply)
                self.later(now, client, READ)
                self.later(now + self.random.random() * self.job.cadence.log, client, LOG)
        elif call.kind == READ and reply.get("queries"):
            if not client.results:
                client.sent = time.time()
            told = make_answers(client.device, reply["queries"], self.random)
            for part, values in told.items():
                client.results.setdefault(part, {}).update(values)
            self.later(now + self.random.uniform(0.2, 2.0), client, WRITE)
        elif call.kind == WRITE:
            kept = self.report.answers.setdefault(client.device.identifier, {})
            kept.update(client.device.verdicts(client.results))
            self.report.sent[client.device.identifier] = client.sent
            client.results = {}

    def broken(self, line: Line, why: str) -> None:
        """Mind a connection that ended; a reused one is tried anew at once, as osqueryd does."""
        call, line.call = line.call, None
        reused = not line.fresh
        self.close(line)
        if call is None:
            return
        if reused and not line.drop and call.tries == 0:
            call.tries = 1
            line.queue.appendleft(call)
            self.count("tried anew on a new connection")
        else:
            self.again(call, f"{call.kind}: {why}" if why else "")
        self.next_call(line)

    def again(self, call: Call, why: str) -> None:
        """Plan the next attempt, or give the call up; results that were not taken are kept."""
        if why:
            self.error(why)
        wait = RETRY_WAITS[min(call.tries, len(RETRY_WAITS) - 1)]
        if call.kind in {WRITE, ENROLL}:
            self.later(time.monotonic() + wait, call.client, call.kind)

    def end_late_calls(self, now: float) -> None:
        """Give up exchanges that take longer than osqueryd waits."""
        for line in self.lines:
            if line.call is not None and now > line.deadline:
                line.fresh = True
                self.broken(line, "timeout")

    def count(self, what: str) -> None:
        """Count something that happened while it was measured."""
        if self.measuring:
            self.report.counts[what] = self.report.counts.get(what, 0) + 1

    def error(self, what: str) -> None:
        """Count an error whenever it happened."""
        self.report.errors[what] = self.report.errors.get(what, 0) + 1


def main() -> None:
    """Play one job."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    report = Play(job).run()
    Path(job.report).write_bytes(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
