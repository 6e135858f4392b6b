"""What people type about people, made clean or refused with words."""

from sekisho.identity.model import LONGEST_EMAIL, LONGEST_NAME
from sekisho.kernel.errors import InvalidInputError
from sekisho.kernel.i18n import LANGUAGES, msg


def clean_name(name: str) -> str:
    """Return a name without surplus blanks; raise InvalidInputError if it is none."""
    plain = " ".join(name.split())
    if not plain or len(plain) > LONGEST_NAME or not plain.isprintable():
        raise InvalidInputError(
            msg("A name of 1 to %(n)s characters is expected.", n=LONGEST_NAME),
            hint=msg("Write it as colleagues know it."),
        )
    return plain


def clean_email(email: str) -> str:
    """Return an e-mail address in lower case; raise InvalidInputError if it cannot be one."""
    plain = email.strip().lower()
    if not plain:
        raise InvalidInputError(
            msg("There is no e-mail address."),
            hint=msg("Something like name@example.jp is expected."),
        )
    user, _, domain = plain.rpartition("@")
    good = user and "." in domain.strip(".") and not any(c.isspace() for c in plain)
    if not good or len(plain) > LONGEST_EMAIL or not plain.isprintable():
        raise InvalidInputError(
            msg("“%(got)s” is not an e-mail address.", got=email[:LONGEST_EMAIL]),
            hint=msg("Something like name@example.jp is expected."),
        )
    return plain


def clean_language(language: str) -> str:
    """Return ``ja`` or ``en``; raise InvalidInputError for anything else."""
    if language not in LANGUAGES:
        raise InvalidInputError(
            msg("The language “%(got)s” is not known; ja or en is expected.", got=language)
        )
    return language
