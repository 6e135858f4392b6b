"""Compiled rules kept on disk, so that the second start does not read thousands of files.

Rules are known again by what their files hold. To read thousands of files for that takes a while
too, so a *mark* of their sizes, times and inodes leads there while nothing was touched.

What is kept is data, never code: msgpack behind a digest, in a folder that only this user can
open, written whole or not at all. Whatever is damaged, foreign, open to others or of another
version is not used, and the rules are compiled anew.
"""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

import sekisho
from sekisho.detection.engine.compiled.plan import make_plan
from sekisho.detection.engine.compiled.terms import Plan
from sekisho.detection.mapping import own_routing
from sekisho.detection.model import AllOf, Correlation, Filter, Rule, RuleFault, RuleSet
from sekisho.kernel.i18n import pack_text, unpack_text

FORM = 13
"""Counts up whenever what is kept, or what it means, changes."""

_T = TypeVar("_T")
_MAGIC = b"sekisho rules\n"
_DIGEST = 32
_HEX = re.compile(r"[0-9a-f]{64}").fullmatch
_KEPT = 8
_NOTHING = AllOf(())
_File = tuple[str, os.stat_result]


@dataclass(frozen=True, slots=True)
class Ready:
    """Rules and the plan to match them. ``warm``: they came out of the cache.

    The rules carry no trees unless a correlation is about them: the plan has them all.
    """

    rule_set: RuleSet
    plan: Plan
    warm: bool


class _Fault(msgspec.Struct, frozen=True, array_like=True):
    file: str
    line: int
    texts: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    rules: tuple[Rule, ...]
    correlations: tuple[Correlation, ...]
    filters: tuple[Filter, ...]
    faults: tuple[_Fault, ...]
    digest: str
    plan: Plan


def load_ready(
    paths: Sequence[Path], folder: Path, build: Callable[[], RuleSet], *, asked: object = None
) -> Ready:
    """Return the rules of ``paths`` out of the cache in ``folder``, or ``build`` and keep them.

    ``asked`` is whatever else the result depends on (values of placeholders, a choice); it has to
    be plain data. Files count as untouched while size, times and inode are. A cache that cannot be
    written is no error: it only costs the next start its time.
    """
    files = list(_files([*paths, own_table()]))
    mark = folder / f"{_mark(paths, asked, files)}.mark"
    content = _read(mark, str)
    if content is None or not _HEX(content):
        content = _content(paths, asked, files)
        _write(mark, msgspec.msgpack.encode(content))
    path = folder / f"{content}.rules"
    kept = _read(path, _Kept)
    if kept is not None:
        return Ready(_rule_set(kept), kept.plan, warm=True)
    rule_set = build()
    made = _keep(rule_set, make_plan(rule_set.rules, own_routing()))
    if _content(paths, asked, files) == content:  # else somebody wrote to them meanwhile
        _write(path, msgspec.msgpack.encode(made))
    return Ready(_rule_set(made), made.plan, warm=False)


def _begin(paths: Sequence[Path], asked: object) -> "hashlib.blake2b":
    digest = hashlib.blake2b(digest_size=_DIGEST)
    digest.update(f"{FORM} {sekisho.__version__}".encode())
    digest.update(msgspec.json.encode([asked, [str(path) for path in paths]]))
    return digest


def _mark(paths: Sequence[Path], asked: object, files: Iterable[_File]) -> str:
    digest = _begin(paths, asked)
    for name, said in files:
        what = f"{name} {said.st_size} {said.st_mtime_ns} {said.st_ctime_ns} {said.st_ino}\n"
        digest.update(what.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _content(paths: Sequence[Path], asked: object, files: Iterable[_File]) -> str:
    digest = _begin(paths, asked)
    for name, _ in files:
        try:
            with open(name, "rb") as file:  # noqa: PTH123 # as above
                content = file.read()
        except OSError:
            content = b""
        digest.update(f"\n{name} {len(content)}\n".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def own_table() -> Path:
    """Return the file of our map of log sources: another map means another plan."""
    return Path(sekisho.__file__).parent / "content" / "detection" / "logsources.yaml"


def _files(paths: Iterable[Path]) -> Iterator[_File]:
    """Yield every file with what tells whether it changed; what is not there is left out."""
    waiting = [str(path) for path in paths]
    while waiting:
        name = waiting.pop()
        try:
            said = os.stat(name)  # noqa: PTH116 # thousands of files: no object for each
            if not stat.S_ISDIR(said.st_mode):
                yield name, said
                continue
            waiting += sorted(entry.path for entry in os.scandir(name))
        except OSError:
            yield name, os.stat_result((0,) * 10)


def _keep(rule_set: RuleSet, plan: Plan) -> _Kept:
    counted = {rule_id for one in rule_set.correlations for rule_id in one.rules}
    return _Kept(
        rules=tuple(
            replace(
                rule,
                selections={},
                condition=_NOTHING,
                tree=rule.tree if rule.id in counted else _NOTHING,
            )
            for rule in rule_set.rules
        ),
        correlations=rule_set.correlations,
        filters=rule_set.filters,
        faults=tuple(
            _Fault(
                one.file,
                one.line,
                (pack_text(one.got), pack_text(one.expected), pack_text(one.fix)),
            )
            for one in rule_set.faults
        ),
        digest=rule_set.digest,
        plan=plan,
    )


def _rule_set(kept: _Kept) -> RuleSet:
    faults = tuple(
        RuleFault(one.file, one.line, *(unpack_text(text) for text in one.texts))
        for one in kept.faults
    )
    return RuleSet(kept.rules, kept.correlations, kept.filters, faults, kept.digest)


def _read(path: Path, form: type[_T]) -> _T | None:
    """Return what is kept in ``path``, None where that cannot be trusted or understood."""
    try:
        with path.open("rb") as file:
            if not _is_ours(os.fstat(file.fileno())) or not _is_ours(path.parent.stat()):
                return None
            content = file.read()
        start = len(_MAGIC) + _DIGEST
        payload = memoryview(content)[start:]
        if content[:start] != _MAGIC + _digest(payload):
            return None
        return msgspec.msgpack.decode(payload, type=form)
    except (OSError, msgspec.MsgspecError, ValueError, TypeError):
        return None


def _is_ours(said: os.stat_result) -> bool:
    return said.st_uid == os.getuid() and not said.st_mode & 0o077


def _digest(payload: memoryview | bytes) -> bytes:
    return hashlib.sha256(payload).digest()  # what processors have instructions for


def _write(path: Path, payload: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_ours(path.parent.stat()):
            return
        # mkstemp gives 0600; the new file takes its name only when it is whole.
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + _digest(payload))
                file.write(payload)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        _prune(path.parent)
    except OSError:
        return


def _prune(folder: Path) -> None:
    """Drop the oldest beyond what is kept: each changed rule makes a new file."""
    for pattern, most in (("*.rules", _KEPT), ("*.mark", 4 * _KEPT)):
        kept = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[most:]:
            path.unlink(missing_ok=True)
