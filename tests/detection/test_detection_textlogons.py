"""Log-ons out of text logs: our own lines of each server, and the recorded logs where they lie."""

from pathlib import Path

import pytest

from sekisho.detection.engine.logons import Logon, Outcome, summarise_logons
from sekisho.detection.engine.textlogons import TextLogons, mark_logon
from support.logs import read_bytes, read_paths

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "logs"


def logons_of(content: str) -> list[Logon]:
    events, _ = read_bytes(content.encode())
    logs = TextLogons()
    return [logon for event in events for logon in logs.see(event)]


def told(content: str) -> list[tuple[int, str, str, str, str]]:
    return [
        (one.record.record, one.service, one.outcome.value, one.user, one.source)
        for one in logons_of(content)
    ]


SERVERS = {
    "sshd": (
        (
            "Nov 23 01:20:55 gw sshd[77]: Failed password for invalid user mallory from "
            "198.51.100.7 port 4242 ssh2\n"
            "Nov 23 01:20:59 gw sshd[7]: Accepted password for taro from 198.51.100.8 port 4 ssh2\n"
            "Nov 23 01:21:00 gw sshd[77]: Failed none for taro from 198.51.100.8 port 4243 ssh2\n"
        ),
        [
            (1, "SSH", "failure", "mallory", "198.51.100.7"),
            (2, "SSH", "success", "taro", "198.51.100.8"),
        ],
    ),
    "nginx": (
        (
            '198.51.100.7 - taro [23/Nov/2026:01:20:55 +0000] "GET / HTTP/1.1" 401 1 "-" "x"\n'
            '198.51.100.7 - - [23/Nov/2026:01:20:56 +0000] "GET / HTTP/1.1" 401 1 "-" "x"\n'
            '198.51.100.7 - taro [23/Nov/2026:01:20:57 +0000] "GET / HTTP/1.1" 200 1 "-" "x"\n'
        ),
        [
            (1, "Web", "failure", "taro", "198.51.100.7"),
            (3, "Web", "success", "taro", "198.51.100.7"),
        ],
    ),
    "OpenVPN joins by address and port": (
        (
            "2026-11-23 01:18:04 198.51.100.7:999 TLS Auth Error: Auth Username/Password "
            "verification failed for peer\n"
            "2026-11-23 01:18:05 [taro] Peer Connection Initiated with [AF_INET]198.51.100.8:777\n"
            "2026-11-23 01:18:06 198.51.100.7:999 Peer Connection Initiated with [AF_INET]"
            "198.51.100.7:999\n"
        ),
        [
            (1, "OpenVPN", "failure", "", "198.51.100.7"),
            (2, "OpenVPN", "success", "taro", "198.51.100.8"),
        ],
    ),
    "ocserv tells the name before the address": (
        (
            "ocserv[1]: sec-mod: auth cont for user 'mallory' (session: a)\n"
            "ocserv[1]: main: added 10 points (total 10) for IP '198.51.100.7' to ban list\n"
            "ocserv[1]: main: added 1 points (total 11) for IP '198.51.100.9' to ban list\n"
            "ocserv[1]: main[taro]:198.51.100.8:51 user logged in\n"
        ),
        [
            (2, "ocserv", "failure", "mallory", "198.51.100.7"),
            (3, "ocserv", "failure", "", "198.51.100.9"),
            (4, "ocserv", "success", "taro", "198.51.100.8"),
        ],
    ),
    "FortiGate": (
        (
            'date=2026-11-23 time=10:20:55 devname="gw" devid="F1" logid="0101039426" type="event" '
            'subtype="vpn" action="ssl-login-fail" user="mallory" remip=198.51.100.7 tz="+0900"\n'
            'date=2026-11-23 time=10:20:56 devname="gw" devid="F1" logid="0101039424" type="event" '
            'subtype="vpn" action="tunnel-up" user="taro" remip=198.51.100.8 tz="+0900"\n'
        ),
        [
            (1, "FortiGate VPN", "failure", "mallory", "198.51.100.7"),
            (2, "FortiGate VPN", "success", "taro", "198.51.100.8"),
        ],
    ),
    "Cisco ASA": (
        (
            "<166>Nov 23 2026 01:20:55 asa : %ASA-6-113005: AAA user authentication Rejected : "
            "reason = AAA failure : server = 10.0.0.1 : user = mallory : user IP = 198.51.100.7\n"
            "<166>Nov 23 2026 01:20:59 asa : %ASA-6-113039: Group <Staff> User <taro> IP "
            "<198.51.100.8> AnyConnect parent session started.\n"
        ),
        [
            (1, "Cisco VPN", "failure", "mallory", "198.51.100.7"),
            (2, "Cisco VPN", "success", "taro", "198.51.100.8"),
        ],
    ),
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_tells_of_its_log_ons(server: str) -> None:
    content, wanted = SERVERS[server]
    assert told(content) == wanted


def test_connections_of_softether_are_joined_until_it_starts_again() -> None:
    made = (
        '2026-11-23 01:30:42.858 The connection "CID-2" (IP address: 198.51.100.7, Host name: x, '
        "Port number: 4) is attempting to connect to the Virtual Hub.\n"
    )
    good = (
        '2026-11-23 01:30:43.858 Connection "CID-2": Successfully authenticated as user "taro".\n'
    )
    again = "2026-11-23 01:31:00.000 The SoftEther VPN Server has been started.\n"
    assert told(made + good + again + good) == [
        (2, "SoftEther", "success", "taro", "198.51.100.7"),
        (4, "SoftEther", "success", "taro", ""),
    ]


def test_a_log_on_becomes_fields_for_rules() -> None:
    content = "Nov 23 01:20:55 gw sshd[7]: Failed password for taro from 198.51.100.7 port 1 ssh2\n"
    (event,), _ = read_bytes(content.encode())
    (logon,) = TextLogons().see(event)
    marked = mark_logon(event, logon)
    assert marked.fields["logon_outcome"] == "failure"
    assert marked.fields["logon_source"] == "198.51.100.7"
    assert (marked.source.category, marked.source.product) == ("authentication", "linux")


def test_passwords_in_the_log_of_ocserv_are_hidden() -> None:
    (event,), _ = read_bytes(b"<?xml?>".replace(b"<?xml?>", b"x <password>Secret123</password>\n"))
    assert "Secret123" not in str(event.fields)


def test_what_two_logs_of_one_server_tell_is_counted_once() -> None:
    line = (
        '2026-11-23 01:30:43.858 Connection "CID-2": Successfully authenticated as user "taro".\n'
    )
    rows = summarise_logons(logons_of(line) + logons_of(line))
    assert [(row.user, row.count) for row in rows] == [("taro", 1)]


# The lines of the recorded logs that are log-ons, from their README: (success, failure).
LINES = {
    "sshd-verbose-stderr.log": ([14], [4, 8, 11]),
    "nginx-access-combined.log": ([3, 5, 6, 7], [1, 2]),
    "nginx-error-info.log": ([], [7, 9]),
    "ocserv-d2.log": ([41], []),
    "ocserv-d4.log": ([428], [95, 191, 287]),
    "openvpn-server-udp.log": ([90], [32, 50, 68]),
    "openvpn-server-tcp-probe-only.log": ([], []),
    "strongswan-charon-server.log": ([110], [41, 71]),
    "softether-security-hub-TELE.log": ([8], [4, 6]),
    "softether-security-hub-DEFAULT.log": ([], []),
    "softether-server.log": ([26, 39, 49, 59, 127, 253], [89, 108, 215, 234]),
    "xrdp-tls.log": ([], []),
    "freerdp-shadow-nla.log": ([], [186]),
    "freerdp-shadow-rdp.log": ([], [25]),
    "tigervnc-vncauth.log": ([], []),
}


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded logs are not beside this checkout")
@pytest.mark.parametrize("name", LINES)
def test_recorded_logs_give_exactly_their_log_ons(name: str) -> None:
    events, troubles = read_paths(RECORDED / name)
    logs = TextLogons()
    found = [logon for event in events for logon in logs.see(event)]
    good, bad = (
        [one.record.record for one in found if one.outcome is outcome]
        for outcome in (Outcome.SUCCESS, Outcome.FAILURE)
    )
    assert (good, bad) == LINES[name]
    assert not troubles
