"""What a person chooses about pages: the language and the theme, kept in two cookies.

Cookies without meaning for security: readable by script, a year long, sent on top navigation.
"""

from collections.abc import Mapping

from litestar import get
from litestar.datastructures import Cookie
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from sekisho.kernel.errors import NotFoundError
from sekisho.kernel.i18n import LANGUAGES, Language, msg, preferred_language

LANGUAGE_COOKIE = "sekisho_language"
THEME_COOKIE = "sekisho_theme"
THEMES = ("light", "dark")
_YEAR_SECONDS = 31_536_000


def read_language(cookies: Mapping[str, str], accepted: str, usual: Language) -> Language:
    """Return the language of a page: chosen before, else the browser's, else the usual one."""
    chosen = cookies.get(LANGUAGE_COOKIE, "")
    return next((known for known in LANGUAGES if known == chosen), None) or preferred_language(
        accepted, usual
    )


def read_theme(cookies: Mapping[str, str]) -> str:
    """Return "light" or "dark" if one was chosen, else "" (the machine's choice)."""
    chosen = cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


def safe_return(address: str) -> str:
    r"""Return ``address`` if it is a path of this server, else "/".

    ``//host`` and ``/\host`` are addresses of other servers to a browser (WHATWG URL, relative
    slash state); control characters are dropped by it and could hide one.
    """
    own = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if own and address.isprintable() else "/"


@get("/language/{chosen:str}", opt={"anonymous": True}, sync_to_thread=False)
def choose_language(chosen: FromPath[str], next_page: FromQuery[str] = "/") -> Redirect:
    """Keep the language for a year and go back to the page."""
    if chosen not in LANGUAGES:
        raise NotFoundError(
            msg("“%(got)s” is not a language of Sekisho.", got=chosen[:20]),
            hint=msg("Choose ja or en."),
        )
    return _remember(LANGUAGE_COOKIE, chosen, next_page)


@get("/theme/{chosen:str}", opt={"anonymous": True}, sync_to_thread=False)
def choose_theme(chosen: FromPath[str], next_page: FromQuery[str] = "/") -> Redirect:
    """Keep light or dark for a year (for browsers without script) and go back to the page."""
    if chosen not in THEMES:
        raise NotFoundError(
            msg("“%(got)s” is not a theme.", got=chosen[:20]), hint=msg("Choose light or dark.")
        )
    return _remember(THEME_COOKIE, chosen, next_page)


def _remember(name: str, value: str, next_page: str) -> Redirect:
    answer = Redirect(safe_return(next_page), status_code=303)
    answer.set_cookie(
        Cookie(key=name, value=value, path="/", max_age=_YEAR_SECONDS, samesite="lax")
    )
    return answer


HANDLERS: list[ControllerRouterHandler] = [choose_language, choose_theme]
