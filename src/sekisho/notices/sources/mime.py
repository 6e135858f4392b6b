"""A mail as bytes: RFC 5322 headers, RFC 2047 words, a text and an HTML part in base64.

Written by hand because the standard library's writer takes 2 ms a mail and a notice to everybody is
10,000 mails (``bench/notices.py``); a property test reads every mail back with that library.
"""

import base64
import re
from collections.abc import Sequence

_PLAIN = re.compile(r"[\x20-\x7e]*")
_ATOMS = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
# An encoded word has 75 characters at most (RFC 2047 section 2): 45 bytes in base64 and the frame.
_BYTES_A_WORD = 45
_SOFT_LIMIT = 76


def encode_words(text: str) -> str:
    """Return unstructured text for a header; what is not plain ASCII becomes encoded words."""
    if _PLAIN.fullmatch(text) and "=?" not in text and len(text) <= _SOFT_LIMIT:
        return text
    words, piece = [], b""
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(piece) + len(encoded) > _BYTES_A_WORD:
            words.append(piece)
            piece = b""
        piece += encoded
    words.append(piece)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)


def write_address(name: str, address: str) -> str:
    """Return ``name <address>``; the address has been judged by the caller."""
    if not name:
        return f"<{address}>"
    if _ATOMS.fullmatch(name) and "=?" not in name and len(name) <= _SOFT_LIMIT:
        return f"{name} <{address}>"
    if _PLAIN.fullmatch(name) and "=?" not in name and len(name) <= _SOFT_LIMIT:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    return f"{encode_words(name)}\r\n <{address}>"


def write_message(headers: Sequence[tuple[str, str]], mark: str, text: str, html: str) -> bytes:
    """Return a multipart/alternative message; ``mark`` makes the boundary and is plain ASCII.

    The boundary holds an underscore, which no line of base64 can (RFC 2045 section 6.8).
    """
    boundary = f"=_{mark}"
    head = [f"{name}: {value}" for name, value in headers]
    head += ["MIME-Version: 1.0", f'Content-Type: multipart/alternative; boundary="{boundary}"', ""]
    for kind, body in (("plain", text), ("html", html)):
        head += [
            f"--{boundary}",
            f'Content-Type: text/{kind}; charset="utf-8"',
            "Content-Transfer-Encoding: base64",
            "",
            _lines(body),
        ]
    head += [f"--{boundary}--", ""]
    return "\r\n".join(head).encode("utf-8", "replace")


def _lines(body: str) -> str:
    crlf = body.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    return base64.encodebytes(crlf).decode().rstrip("\n").replace("\n", "\r\n")
