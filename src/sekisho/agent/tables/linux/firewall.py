"""Tables ``nftables_chains`` and ``iptables`` of Linux: the rules in force, not the service.

Both need root. An active ``nftables.service`` proves nothing; chains and their policies do.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import IPTABLES, NFTABLES_CHAINS
from sekisho.agent.tables.commands import answer
from sekisho.agent.tables.host import Host

_OPTION = re.compile(r"(?:(!) )?(-{1,2}[\w-]+)((?: (?!-|! -)\S+)*)")
_COUNTS = re.compile(r"\[(\d+):(\d+)\]")


def tables(host: Host) -> tuple[Table, ...]:
    """Return both tables over ``host``."""
    return (
        Table("nftables_chains", NFTABLES_CHAINS, lambda _: nftables_chains(host)),
        Table("iptables", IPTABLES, lambda _: iptables(host)),
    )


def parse_nft(text: str) -> Iterator[Row]:
    """Yield the chains of ``nft --json list ruleset`` (libnftables-json(5)), rules counted."""
    try:
        entries = json.loads(text)["nftables"]
        chains = [entry["chain"] for entry in entries if "chain" in entry]
        rules = Counter(_chain_of(entry["rule"]) for entry in entries if "rule" in entry)
        rows = [_chain(chain, rules) for chain in chains]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"nft's answer is not the JSON that was expected: {error!r}") from None
    yield from rows


def _chain_of(rule: dict[str, object]) -> tuple[object, object, object]:
    return rule["family"], rule["table"], rule["chain"]


def _chain(chain: dict[str, object], rules: Counter[tuple[object, object, object]]) -> Row:
    return {
        "family": chain["family"],
        "table_name": chain["table"],
        "chain": chain["name"],
        "type": chain.get("type"),
        "hook": chain.get("hook"),
        "priority": chain.get("prio"),
        "policy": chain.get("policy"),
        "rules_count": rules[chain["family"], chain["table"], chain["name"]],
    }


def nftables_chains(host: Host) -> Iterator[Row]:
    """Yield the chains in force; none where the kernel has not loaded nf_tables."""
    if not host.exists("/sys/module/nf_tables"):
        modules = host.text("/proc/modules")
        if modules is not None and "nf_tables " not in modules and not _has_nft(host):
            return
    _need_root(host, "nftables rules")
    yield from parse_nft(answer(host.run(["nft", "--json", "list", "ruleset"]), "nft"))


def _has_nft(host: Host) -> bool:
    return any(host.exists(f"{folder}/nft") for folder in ("/usr/sbin", "/sbin", "/usr/bin"))


def _need_root(host: Host, what: str) -> None:
    if not host.is_root:
        raise Unreadable(f"{what} are shown to root alone; this agent runs as user {host.uid}")


def parse_iptables_save(text: str) -> Iterator[Row]:
    """Yield chains and rules of ``iptables-save -c``: a chain's own row carries its policy."""
    table = ""
    policies: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            table, policies = line[1:].strip(), {}
        elif line.startswith(":"):
            chain, policy = (*line[1:].split(), "", "")[:2]
            policies[chain] = "" if policy == "-" else policy
            yield {"filter_name": table, "chain": chain, "policy": policies[chain], **_count(line)}
        elif " -A " in f" {line}" and "chain" in (row := _rule(line)):
            yield {"filter_name": table, "policy": policies.get(str(row["chain"]), ""), **row}


def _count(line: str) -> Row:
    found = _COUNTS.search(line)
    return {"packets": found.group(1), "bytes": found.group(2)} if found else {}


_PROTOCOLS = {"all": 0, "icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}
_RULE_COLUMNS = {
    "-A": "chain",
    "-j": "target",
    "-g": "target",
    "-s": "src_ip",
    "-d": "dst_ip",
    "-i": "iniface",
    "-o": "outiface",
    "--sport": "src_port",
    "--dport": "dst_port",
    "--dports": "dst_port",
    "-m": "match",
    "-p": "protocol",
}


def _rule(line: str) -> dict[str, object]:
    row: dict[str, object] = dict(_count(line))
    for inverted, option, value in _OPTION.findall(line):
        column = _RULE_COLUMNS.get(option)
        if column == "protocol":
            row[column] = _PROTOCOLS.get(value.strip(), 0)
        elif column:
            row[column] = f"{'!' if inverted else ''}{value.strip()}"
    for address, mask in (("src_ip", "src_mask"), ("dst_ip", "dst_mask")):
        host, _, bits = str(row.get(address, "")).partition("/")
        row[address], row[mask] = host, bits
    return row


def iptables(host: Host) -> Iterator[Row]:
    """Yield the rules in force as iptables shows them (legacy ones and those kept by nf_tables)."""
    legacy = "/proc/net/ip_tables_names"
    tools = [t for t in ("/usr/sbin/iptables-save", "/sbin/iptables-save") if host.exists(t)]
    if not tools and not host.exists(legacy):
        return
    _need_root(host, "iptables rules")
    if tools:
        yield from parse_iptables_save(answer(host.run([tools[0], "-c"]), "iptables-save"))
    elif host.text(legacy):
        raise Unreadable("the kernel holds iptables rules, but iptables-save is not installed")
