"""``sekisho findings``: what is wrong, and acts on many findings, on the server's own machine.

Exit codes: 0 nothing open, 1 something is, 2 could not.
"""

import argparse

import msgspec

from sekisho.cli.acting import COMMAND, add_act
from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.findings.model import Finding, Severity
from sekisho.server.bootstrap import open_house
from sekisho.worklists.model import Listing
from sekisho.worklists.service.findings import STATES, FindingSearch, search_findings

_PAGE = 500
_encode = msgspec.json.Encoder(order="sorted").encode


def add_parser(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the noun ``findings``."""
    parser = nouns.add_parser("findings", help="what is wrong, and whose it is")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listed = verbs.add_parser("list", help="the findings, the worst first")
    add_data_option(listed)
    listed.add_argument("--search", default="", metavar="TEXT")
    listed.add_argument("--state", choices=STATES, default="open")
    listed.add_argument("--severity", choices=[each.value for each in Severity], default="")
    listed.add_argument("--rule", default="", metavar="RULE")
    listed.add_argument("--unit", default="", metavar="UNIT")
    listed.set_defaults(run=run_list)
    add_act(verbs, Listing.FINDINGS)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them is open."""
    search = FindingSearch(
        q=arguments.search, state=arguments.state, severity=arguments.severity,
        rule=arguments.rule, unit=arguments.unit,
    )  # fmt: skip
    with open_house(read_settings(arguments)) as house, house.database.read(COMMAND) as tx:
        found: list[Finding] = []
        while True:
            page = search_findings(tx, search, page=len(found) // _PAGE + 1, page_size=_PAGE)
            found += page.findings
            if len(page.findings) < _PAGE:
                break
    for finding in found:
        _print(finding, as_json=arguments.format == "json")
    return 1 if any(finding.status.value == "open" for finding in found) else 0


def _print(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        print(_encode(finding).decode())
        return
    title = finding.title.get(speaking(), finding.key)
    seen = finding.first_seen_at.isoformat(timespec="minutes")
    print(f"{finding.id}  {finding.severity.value:8}  {seen}  {title}  {finding.subject}")
