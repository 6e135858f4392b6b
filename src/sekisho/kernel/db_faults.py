"""What a database says when it does not do as asked, in words for whoever asked."""

import contextlib
from collections.abc import Iterator, Mapping

from sqlalchemy import exc

from sekisho.kernel.errors import InvalidInputError, UnavailableError
from sekisho.kernel.i18n import Text as Words
from sekisho.kernel.i18n import msg


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's words for "not now" and "not this" into ours.

    Constraint errors pass as they are. What cannot be stored came in with the request: a number
    beyond 64 bits, or on PostgreSQL a text with a NUL in it.
    """
    try:
        yield
    except exc.DataError as error:
        raise _unstorable() from error
    except OverflowError as error:
        if "SQLite" not in str(error):
            raise
        raise _unstorable() from error
    except exc.OperationalError as error:
        raise UnavailableError(
            msg("The database cannot be used now. %(why)s", why=_say_reason(error.orig)),
            hint=msg("Check the disk space and that the database runs; nothing was changed."),
        ) from error


def _unstorable() -> InvalidInputError:
    return InvalidInputError(
        msg("The request holds a number or a character that no database keeps."),
        hint=msg("Numbers have at most 18 digits, texts no control characters such as NUL."),
    )


# What SQLite and PostgreSQL say most, in words for whoever reads the page.
_REASONS: Mapping[str, Words] = {
    "database is locked": msg("It is busy with other work."),
    "lock timeout": msg("It is busy with other work."),
    "disk is full": msg("The disk is full."),
    "No space left": msg("The disk is full."),
    "readonly database": msg("It may only be read."),
    "disk I/O error": msg("The disk does not answer."),
}


def _say_reason(said: object) -> Words | str:
    found = (text for part, text in _REASONS.items() if part in str(said))
    return next(found, str(said))
