"""What may be ordered: which act suits which list, and the words that it needs."""

from collections.abc import Mapping
from datetime import date

from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import Text, msg
from sekisho.worklists.model import ACTS_OF, WORDS_OF_ACT, ActKind, Listing

LONGEST = {"title": 120, "body": 2_000, "reason": 2_000, "measure": 2_000}
_SHORTEST = 4
_NEEDED: Mapping[ActKind, tuple[str, ...]] = {
    ActKind.ASSIGN: (),
    ActKind.OWN: (),
    ActKind.TAG: ("tags",),
    ActKind.UNTAG: ("tags",),
    ActKind.NOTIFY: ("title", "body"),
    ActKind.EXCEPT: ("reason", "measure", "until"),
}
_OPTIONAL: Mapping[ActKind, tuple[str, ...]] = {
    ActKind.ASSIGN: ("person",),
    ActKind.OWN: ("person",),
    ActKind.EXCEPT: ("rule",),
}
_NAMES: Mapping[str, Text] = {
    "tags": msg("Tags"),
    "title": msg("Subject line"),
    "body": msg("Message"),
    "reason": msg("Reason"),
    "measure": msg("What holds instead"),
    "until": msg("Last day"),
    "rule": msg("Rule"),
}


def read_listing(name: str) -> Listing:
    """Return the list of this name; raise InvalidInputError."""
    if name not in set(Listing):
        raise InvalidInputError(msg("There is no list “%(got)s”.", got=name[:40]))
    return Listing(name)


def read_acting(name: str) -> Listing:
    """Return the list of this name on whose rows acts can be done; raise InvalidInputError."""
    listing = read_listing(name)
    if listing not in ACTS_OF:
        raise InvalidInputError(msg("There is no list “%(got)s”.", got=name[:40]))
    return listing


def check_kind(listing: Listing, kind: str) -> ActKind:
    """Return the act of this name; raise InvalidInputError if the list has no such act."""
    acts = ACTS_OF.get(listing, ())
    if kind not in set(acts):
        raise InvalidInputError(
            msg("“%(got)s” cannot be done with this list.", got=kind[:40]),
            hint=msg("One of these is expected: %(known)s.", known=", ".join(acts)),
        )
    return ActKind(kind)


def check_words(listing: Listing, kind: ActKind, given: Mapping[str, str]) -> dict[str, str]:
    """Return what an act needs to know, cleaned; raise InvalidInputError that says what lacks."""
    needed = _NEEDED.get(kind, ())
    if kind is ActKind.EXCEPT and listing is Listing.DEVICES:
        needed = ("rule", *needed)
    names = dict.fromkeys((*needed, *_OPTIONAL.get(kind, ())))
    words = {name: _clean(name, given.get(name, "")) for name in names}
    for name in needed:
        if len(words[name]) < (_SHORTEST if name in {"reason", "measure"} else 1):
            raise InvalidInputError(
                msg("“%(field)s” is missing; nothing was done yet.", field=_NAMES[name]),
                hint=msg("%(act)s needs it. Fill it in and go on.", act=WORDS_OF_ACT[kind]),
            )
    if "until" in words:
        _check_day(words["until"])
    return words


def _clean(name: str, text: str) -> str:
    words = text.replace("\0", "").replace("\r\n", "\n").strip()
    if name != "body":
        words = " ".join(words.split())
    return words[: LONGEST.get(name, 400)]


def _check_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            msg("“%(got)s” is no date.", got=text[:40]),
            hint=msg("Write it as 2026-11-23."),
        ) from None


def read_tags(text: str) -> list[str]:
    """Return the tags of a field, parted by commas or semicolons, each once."""
    for mark in ";、；，":
        text = text.replace(mark, ",")
    return list(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))
