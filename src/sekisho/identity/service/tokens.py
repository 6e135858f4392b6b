"""API tokens: made by a person, narrower than the person, always with an end."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sekisho.evidence import service as evidence
from sekisho.identity.engine.rights import check_scopes
from sekisho.identity.model import LONGEST_TOKEN_LIFE, TOKEN_PREFIX, Admission, APIToken
from sekisho.identity.service.sessions import require_active, require_person, require_recent
from sekisho.identity.service.standing import admission_of
from sekisho.identity.store import passes, people
from sekisho.kernel.db import Transaction
from sekisho.kernel.errors import InvalidInputError, NotFoundError, UnauthenticatedError
from sekisho.kernel.i18n import msg
from sekisho.kernel.ids import TokenID, digest_token, new_id, new_token

_LONGEST_LABEL = 100


def make_token(
    tx: Transaction, *, label: str, scopes: Iterable[str], ends_at: datetime
) -> tuple[APIToken, str]:
    """Make a token for the person who asks; return it and its secret, which is shown once.

    Raises InvalidInputError for a bad label, scope or end, NotPermittedError for excess scopes.
    """
    person_id = require_recent(tx)
    label = label.strip()
    if not label or len(label) > _LONGEST_LABEL:
        raise InvalidInputError(
            msg("A token needs a name of 1 to %(n)s characters.", n=_LONGEST_LABEL),
            hint=msg("Name the program that will use it."),
        )
    if not tx.now < ends_at <= tx.now + LONGEST_TOKEN_LIFE:
        raise InvalidInputError(
            msg("The end of a token must lie within the next %(n)s days.",
                n=LONGEST_TOKEN_LIFE.days),
            hint=msg("Choose a nearer date; make a new token before it ends."),
        )  # fmt: skip
    granted = check_scopes(scopes, tx.principal.rights | tx.principal.scoped.keys())
    secret = TOKEN_PREFIX + new_token()
    token = APIToken(TokenID(new_id("tok")), person_id, label, granted, tx.now, ends_at, None, None)
    passes.insert_token(tx, token, digest_token(secret))
    evidence.record(
        tx,
        kind="identity.token_made",
        subject=f"person:{person_id}",
        detail={
            "token": token.id,
            "label": label,
            "scopes": sorted(granted),
            "ends_at": ends_at.isoformat(),
        },
        person=person_id,
    )
    return token, secret


def admit_token(tx: Transaction, secret: str) -> Admission:
    """Return who a bearer token stands for, with rights narrowed to those of its owner now.

    Order: known, not revoked, not ended, person still active. Raises UnauthenticatedError.
    """
    known = secret.startswith(TOKEN_PREFIX)
    token = passes.find_token(tx, digest_token(secret)) if known else None
    if token is None or token.revoked_at is not None or token.ends_at <= tx.now:
        raise UnauthenticatedError(
            msg("This API token is not known, revoked or past its end."),
            hint=msg("Make a new one on the page “API tokens”."),
        )
    person = require_active(people.find_person(tx, token.person_id))
    return admission_of(tx, person, token=token)


def list_tokens(tx: Transaction) -> Sequence[APIToken]:
    """List the tokens of the person who asks, newest first."""
    return passes.list_tokens(tx, require_person(tx))


def revoke_token(tx: Transaction, token_id: str) -> None:
    """Revoke one token of the person who asks; raise NotFoundError if there is none to revoke."""
    person_id = require_person(tx)
    if not passes.revoke_tokens(tx, person_id, only=token_id):
        raise NotFoundError(
            msg("There is no such token of yours that still works."),
            hint=msg("It may have been revoked already."),
        )
    evidence.record(
        tx,
        kind="identity.token_revoked",
        subject=f"person:{person_id}",
        detail={"tokens": [token_id]},
        person=person_id,
    )
