"""HTML pages: what a handler returns, and how it becomes text.

A handler in a room's ``web.py`` returns a ``Page`` (a template's name and its values) and knows
nothing of Jinja. The server hands every page together with a ``Frame`` (who is asking, in which
language, when) to one ``PageRenderer``. Templates lie in ``sekisho/<room>/templates``,
``sekisho/ui/templates`` and ``sekisho/server/pages/templates``; everything is auto-escaped, and an
unknown variable is an error instead of an empty place.

In every template: ``principal language now csrf path query theme organisation zone counts
request_id tabs homes``, and the functions ``_ _n loc num percent static query_with`` (see
``PageRenderer``) and ``ago age left span day minute exact zone_name`` for times.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import sekisho
from sekisho.kernel import times
from sekisho.kernel.i18n import Localized, Text, localized, translate
from sekisho.kernel.principal import ANONYMOUS, Principal

CONTENT_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """What a page handler returns: a template, its values and the HTTP status."""

    template: str
    context: Mapping[str, object] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Tab:
    """One saved view of a list."""

    id: str
    name: str
    shared: bool


@dataclass(frozen=True, slots=True)
class Tabs:
    """The saved views of a list above it: which one is open, and what could be kept as another."""

    listing: str
    views: Sequence[Tab]
    current: str
    query: str
    may_save: bool

    @property
    def narrowed(self) -> bool:
        """Tell whether the address asks for anything but the whole list."""
        return bool(self.query)


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything about a request that every page may show.

    ``path`` and ``query`` are the request's; ``theme`` is "light", "dark" or "" (the machine's
    choice); ``zone`` None is the server's own zone; ``counts`` maps a navigation key to the
    number shown beside it, ``homes`` one to where this person begins. ``tabs`` are the saved
    views of a list.
    """

    now: datetime
    language: str = "ja"
    principal: Principal = ANONYMOUS
    csrf: str = ""
    path: str = "/"
    query: str = ""
    theme: str = ""
    organisation: str = ""
    zone: tzinfo | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    request_id: str = ""
    tabs: Tabs | None = None
    homes: Mapping[str, str] = field(default_factory=dict)


SPOKEN_LANGUAGE = "sekisho.spoken"  # where the front door leaves the language of the answer


def spoken_language(scope: Mapping[str, Any]) -> str:
    """Return the language in which a request is answered; English where nobody has said."""
    return str(scope.get(SPOKEN_LANGUAGE) or "en")


def find_template_folders() -> list[Path]:
    """List every folder of templates that this installation carries, in a fixed order."""
    root = Path(sekisho.__file__).parent
    return sorted([*root.glob("*/templates"), *root.glob("server/pages/templates")])


def digest_static(root: Path | None = None) -> dict[str, str]:
    """Return name → first eight hex digits of SHA-256 for the style, scripts and icons.

    The digest goes into the address, so that a browser may keep a file for ever and still
    never shows an old one. Fonts are left out: their names change with their content.
    """
    folder = root or Path(str(files("sekisho").joinpath("ui/static")))
    wanted = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix != ".woff2"]
    return {
        f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest()[:8]
        for f in wanted
    }


def change_query(query: str, **changes: object) -> str:
    """Return ``?…`` with the named parameters set, or removed where the value is None or "".

    A list sets a parameter several times. A change of anything starts again at the first page.
    """
    names = set(changes) | {"page", "after"}
    kept = [(k, v) for k, v in parse_qsl(query) if k not in names]
    for name, value in changes.items():
        values = value if isinstance(value, list | tuple) else [value]
        kept += [(name, str(v)) for v in values if v is not None and v != ""]
    return "?" + urlencode(kept)


def say_number(value: float) -> str:
    """Write a number with thousands separated, whole numbers without a fraction."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def say_percent(part: float, whole: float, digits: int = 1) -> str:
    """Write a share in per cent; a dash when there is nothing to share."""
    return f"{100 * part / whole:.{digits}f}%" if whole else "—"


def mark_code(text: str) -> Markup:
    """Escape ``text`` and set what stands between backticks as code, as content writes it."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its twin is a backtick
        return Markup.escape(text)
    marked = (
        Markup("<code>{}</code>").format(part) if place % 2 else Markup.escape(part)
        for place, part in enumerate(parts)
    )
    return Markup().join(marked)


class PageRenderer:
    """Turns pages into HTML; safe to use from several threads.

    Those without ``folders`` of their own share the compiled templates of this process.
    """

    def __init__(self, folders: Iterable[Path] | None = None) -> None:
        self.environment = _own_environment() if folders is None else _make_environment(folders)

    def render(self, page: Page, frame: Frame) -> str:
        """Return the HTML of ``page``; a missing value or template raises Jinja's own error."""
        template = self.environment.get_template(page.template)
        return template.render({**make_context(frame), **page.context})


@functools.cache
def _own_environment() -> Environment:
    return _make_environment(find_template_folders())


def _make_environment(folders: Iterable[Path]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([str(folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    digests = digest_static()
    environment.globals["static"] = lambda name: f"/static/{name}?v={digests[name]}"
    environment.filters["num"] = say_number
    environment.filters["code"] = mark_code
    environment.globals["percent"] = say_percent
    return environment


def make_context(frame: Frame) -> dict[str, object]:
    """Make the values and functions that stand in every template for this request."""
    language = frame.language
    facts = {name: getattr(frame, name) for name in Frame.__slots__}
    return {
        **facts,
        "_": partial(say, language),
        "_n": partial(say_count, language),
        "loc": partial(_say_content, language),
        "sp": "" if language == "ja" else " ",  # between two sentences
        "query_with": partial(change_query, frame.query),
        **_time_words(frame),
    }


def say(language: str, text: Text | str, **params: object) -> str:
    """Say ``text`` in ``language`` with ``params`` filled in (``_`` in templates).

    A parameter that is markup (a time with its exact value behind it) stays markup; everything
    around it is escaped.
    """
    if isinstance(text, str) and any(isinstance(value, Markup) for value in params.values()):
        return Markup.escape(translate(text, language)) % params
    return translate(Text(text, params) if isinstance(text, str) else text, language)


def say_count(language: str, one: str, many: str, n: int, **params: object) -> str:
    """Say ``one`` or ``many``, with ``%(n)s`` the number (``_n`` in templates)."""
    return say(language, one if n == 1 else many, n=say_number(n), **params)


def _say_content(language: str, texts: Mapping[str, str] | Localized | Text | str) -> str:
    if isinstance(texts, Localized):
        return texts.ja if language == "ja" else texts.en
    if isinstance(texts, Mapping):
        return localized(texts, language)
    return translate(texts, language) if isinstance(texts, Text) else texts


def _time_words(frame: Frame) -> dict[str, Callable[..., str]]:
    """Make the functions for times, each giving a ``<time>`` with the exact time behind it."""
    language, now, zone = frame.language, frame.now, frame.zone

    def wrap(moment: datetime, words: str) -> Markup:
        exact = times.say_exact(moment, zone)
        stamp = moment.astimezone(zone).isoformat(timespec="seconds")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, exact, words)

    def spoken(words: Callable[[datetime], str]) -> Callable[[datetime], str]:
        return lambda moment: wrap(moment, words(moment))

    return {
        "ago": spoken(lambda m: times.say_relative(m, now, language)),
        "age": spoken(lambda m: times.say_span(now - m, language)),
        "left": spoken(lambda m: times.say_left(m, now, language)),
        "day": spoken(lambda m: times.say_day(m, zone, language)),
        "minute": spoken(lambda m: times.say_minute(m, zone, language)),
        "exact": spoken(lambda m: times.say_exact(m, zone)),
        "span": lambda span: times.say_span(span, language),
        "zone_name": lambda: times.say_zone(now, zone),
    }
