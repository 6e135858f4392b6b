"""What is filled into a sentence speaks its language too, also after it was stored."""

import errno
import json
import urllib.error
from datetime import UTC, datetime, timedelta, timezone

from sekisho.kernel.i18n import Text, msg, pack_text, system_reason, translate, unpack_text

_REFUSED = PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")
_UNREADABLE = "%(path)s cannot be read: %(why)s"


def test_the_systems_reason_is_said_in_japanese() -> None:
    """An error that the operating system names is not left in English on a Japanese page."""
    text = msg(_UNREADABLE, path="/etc/shadow", why=_REFUSED)
    assert translate(text, "ja") == "/etc/shadow を読めません：アクセスが許可されていません"
    assert "Permission denied" in translate(text, "en")
    wrapped = msg(_UNREADABLE, path="x", why=urllib.error.URLError(_REFUSED))
    assert translate(wrapped, "ja") == "x を読めません：アクセスが許可されていません"


def test_a_reason_without_japanese_stays_as_it_is() -> None:
    """Nothing is lost when the system says what we have no words for."""
    text = msg(_UNREADABLE, path="x", why=OSError(errno.EXDEV, "Invalid cross-device link"))
    assert "Invalid cross-device link" in translate(text, "ja")


def test_a_time_is_written_the_readers_way() -> None:
    """Times inside sentences carry their weekday and say that they are UTC."""
    noon = datetime(2026, 11, 23, 21, 0, tzinfo=timezone(timedelta(hours=9)))
    text = Text("Expired at %(at)s", {"at": noon})
    assert translate(text, "en") == "Expired at Mon 2026-11-23 12:00 UTC"
    assert "2026-11-23 (月) 12:00 UTC" in translate(text, "ja")


def test_a_stored_sentence_can_still_be_said_in_both_languages() -> None:
    """Sentences are stored as keys with values, reasons within them as well."""
    text = msg(_UNREADABLE, path="/etc/shadow", why=_REFUSED)
    again = unpack_text(json.loads(json.dumps(pack_text(text))))
    assert translate(again, "ja") == translate(text, "ja")
    assert translate(again, "en") == "/etc/shadow cannot be read: Permission denied"
    assert system_reason(OSError("no number")) == Text("no number")
    at = Text("Expired at %(at)s", {"at": datetime(2026, 11, 23, tzinfo=UTC)})
    assert unpack_text(pack_text(at)) == at
