"""Acts on many rows from the command line, on the server's own machine: the plan, then ``--do``.

Exit codes: 0 planned or done, 1 some rows could not be done, 2 could not.
"""

import argparse

import msgspec

from sekisho.cli.installation import add_data_option, read_settings
from sekisho.cli.main import speaking
from sekisho.kernel.i18n import Text, msg, translate
from sekisho.kernel.principal import Principal, PrincipalKind
from sekisho.server.bootstrap import open_house
from sekisho.worklists.api import ActView, shape
from sekisho.worklists.model import ACTS_OF, WORDS_OF_ACT, WORDS_OF_REASON, ActKind, Listing, Reason
from sekisho.worklists.service import acts

COMMAND = Principal(PrincipalKind.COMMAND, "local", "sekisho", frozenset({"*"}))
_WORDS = ("tags", "person", "title", "body", "rule", "reason", "measure", "until")
_encode = msgspec.json.Encoder(order="sorted").encode


def add_act(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", listing: Listing) -> None:
    """Add the verb ``act`` to a noun whose list it acts on."""
    parser = verbs.add_parser("act", help="do something with many rows at once, the plan first")
    add_data_option(parser)
    parser.add_argument("act", choices=[kind.value for kind in ACTS_OF[listing]])
    parser.add_argument("ids", nargs="*", metavar="ID", help="the rows; without any, --query")
    parser.add_argument(
        "--query", metavar="ADDRESS", help="all that the list shows at this address (verdict=fail)"
    )
    for name in _WORDS:
        parser.add_argument(f"--{name}", default="", metavar="TEXT")
    parser.add_argument("--do", action="store_true", help="do what the plan says")
    parser.set_defaults(run=run_act, listing=listing)


def run_act(arguments: argparse.Namespace) -> int:
    """Plan an act and, when told to, do it; 1 if some rows could not be done."""
    words = {name: getattr(arguments, name) for name in _WORDS}
    settings = read_settings(arguments)
    with open_house(settings) as house:
        with house.database.write(COMMAND) as tx:
            wish = None if arguments.ids else arguments.query or ""
            act = acts.choose_rows(
                tx, arguments.listing, arguments.act, ids=arguments.ids, wish=wish
            )
            shown = shape(*acts.plan_act(tx, act.id, words, time_zone=settings.time_zone))
        if arguments.do:
            with house.database.write(COMMAND) as tx:
                acts.start_act(tx, act.id)
            while acts.work_on_acts(house.database):
                pass
            with house.database.read(COMMAND) as tx:
                shown = shape(*acts.get_act(tx, act.id))
    _print(shown, as_json=arguments.format == "json")
    return 1 if shown.outcomes.get("refused") or shown.outcomes.get("left") else 0


def _print(act: ActView, *, as_json: bool) -> None:
    if as_json:
        print(_encode(act).decode())
        return
    if act.state == "planned":
        text = msg("%(act)s: %(todo)s of %(total)s rows would be done; nothing is done without "
                   "--do.", act=WORDS_OF_ACT[ActKind(act.kind)],
                   todo=act.outcomes.get("todo", 0), total=act.total)  # fmt: skip
    else:
        text = msg("%(act)s: %(done)s of %(total)s rows are done.",
                   act=WORDS_OF_ACT[ActKind(act.kind)], done=act.outcomes.get("done", 0),
                   total=act.total)  # fmt: skip
    _say(text)
    for reason, number in act.reasons.items():
        print(f"{number:7,}  {translate(WORDS_OF_REASON[Reason(reason)], speaking())}")


def _say(text: Text) -> None:
    print(translate(text, speaking()))
