"""Request bodies within limits: how many bytes are read, and how many a gzip body may become.

Sizes are in bytes. The limits are ours; osqueryd may in theory send 1,024 log lines of 1 MiB each
in one request (``--logger_tls_max_lines``), which is refused with advice instead of held in memory.
"""

import zlib

from sekisho.kernel.errors import InvalidInputError, TooLargeError
from sekisho.kernel.i18n import msg

SMALL_BODY = 1 << 20  # enroll, config, distributed/read, carve/begin
BLOCK_BODY = 4 << 20  # carve/block: 2 MiB of a file in base64, and its envelope
LARGE_BODY = 64 << 20  # log and distributed/write, as sent and after decompression
DRAIN = 64 << 20  # read beyond a limit and thrown away: who still sends does not hear an answer
_GZIP = 31  # zlib's window bits for "gzip header expected" (RFC 1952)
_STEP = 1 << 20


def decompress_gzip(body: bytes, limit: int = LARGE_BODY) -> bytes:
    """Return what the gzip ``body`` holds; never keep more than ``limit`` bytes of it.

    Raises TooLargeError as soon as the limit is passed, InvalidInputError if the body is not one
    whole gzip member.
    """
    inflater = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    size, rest = 0, body
    try:
        while not inflater.eof and (rest or size):
            part = inflater.decompress(rest, min(_STEP, limit - size + 1))
            size += len(part)
            if size > limit:
                raise too_large(size, limit)
            if not part and not inflater.unconsumed_tail:
                break
            parts.append(part)
            rest = inflater.unconsumed_tail
    except zlib.error as error:
        raise _not_gzip() from error
    if not inflater.eof or inflater.unused_data:
        raise _not_gzip()
    return b"".join(parts)


def too_large(got: int, limit: int) -> TooLargeError:
    """Return the error for a body of more than ``limit`` bytes, with advice that helps a client."""
    return TooLargeError(
        msg("The body has %(got)s bytes or more; at most %(limit)s are taken.",
            got=got, limit=limit),
        hint=msg("Lower --logger_tls_max_lines and keep --logger_tls_compress=true."),
    )  # fmt: skip


def _not_gzip() -> InvalidInputError:
    return InvalidInputError(
        msg("The body says Content-Encoding: gzip and is not one whole gzip stream (RFC 1952)."),
        hint=msg("Send it again; a proxy on the way may have cut it."),
    )
