"""Loading the catalogue: one YAML file a control, all faults with file and line.

The same loader serves the server, the command line and the lint of one file in the browser. It
needs no database and no web framework.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from sekisho.controls import lint
from sekisho.controls.datasets import (
    OWN_LIST,
    DataFile,
    named_files,
    read_data_file,
    read_data_folder,
    render,
)
from sekisho.controls.faults import CatalogueError, Fault
from sekisho.controls.laid_content import laid_content
from sekisho.controls.model import (
    Case,
    Catalogue,
    Check,
    Control,
    DataSet,
    Platform,
    Probe,
    Proof,
    RunAs,
    Severity,
    VerdictKind,
)
from sekisho.controls.reading import Place, Source
from sekisho.kernel.i18n import LANGUAGES, msg
from sekisho.kernel.ids import ControlID
from sekisho.wire.kit import Ownership

_CONTROL = (
    "id", "version", "title", "statement", "why", "guideline", "theme", "ownership", "severity",
    "grace_days", "max_age", "proof", "fix",
)  # fmt: skip
_CHECK_OPTIONAL = ("as", "interval", "needs", "ownership", "detail", "tests", "fallback")
_AGENT = "sekisho-agent"
_DEFAULT_INTERVAL_SECONDS = 3600


@dataclass(slots=True)
class _Loading:
    """What a load has to hand while it reads."""

    data: Mapping[str, DataFile]
    allowed: lint.AllowList
    used: set[str] = field(default_factory=set)


def load_catalogue(path: Path | None = None, laid: Mapping[str, str] | None = None) -> Catalogue:
    """Load the controls of a folder, or those that came with the program.

    The folder holds ``controls/*.yaml`` and may hold ``data/*.yaml`` and
    ``private_allowlist.yaml``; what it does not hold is taken from the program's own content. Over
    the program's own are laid those that the organisation has laid (``laid``: by file name;
    None: those in force). Raises CatalogueError with every fault found.
    """
    own = files("sekisho").joinpath("content")
    root: Traversable = own if path is None else path
    sources: list[Source] = []
    loading = _Loading(
        data=_read_data(own, root, sources), allowed=_read_allowed(own, root, sources)
    )
    controls: dict[ControlID, Control] = {}
    digest = hashlib.sha256()
    over = (laid_content("controls") if laid is None else laid) if path is None else {}
    for source, text in _control_texts(root, over, sources):
        digest.update(text.encode())
        control = _load_control(text, source, loading)
        if control is not None and control.id in controls:
            source.note(1, msg("There is another control “%(id)s”.", id=control.id))
        if control is not None:
            controls[control.id] = control
    lint.check_intervals(controls.values(), {source.file: source for source in sources})
    return _finish(controls, digest, loading, sources)


def check_control(text: str, file: str = "control.yaml") -> tuple[Fault, ...]:
    """Return every fault of one control's YAML, held against the program's own lists."""
    own = files("sekisho").joinpath("content")
    ignored: list[Source] = []
    loading = _Loading(read_data_folder(own.joinpath("data"), ignored), lint.load_allow_list())
    source = Source(file)
    _load_control(text, source, loading)
    return tuple(sorted(source.faults, key=lambda f: f.line))


def _finish(
    controls: dict[ControlID, Control],
    digest: "hashlib._Hash",
    loading: _Loading,
    sources: Iterable[Source],
) -> Catalogue:
    faults = [fault for source in sources for fault in source.faults]
    if faults:
        raise CatalogueError(faults)
    for name in sorted(loading.data):
        digest.update(repr(loading.data[name]).encode())
    ordered = {key: controls[key] for key in sorted(controls)}
    return Catalogue(
        controls=ordered,
        digest=digest.hexdigest(),
        by_name={control.policy_name: control for control in ordered.values()},
    )


def _control_texts(
    root: Traversable, laid: Mapping[str, str], sources: list[Source]
) -> Iterable[tuple[Source, str]]:
    """Yield the text of every control by the name of its file; one that is laid counts instead."""
    files_by_name = {f"controls/{entry.name}": entry for entry in _control_files(root, sources)}
    for name in sorted(files_by_name.keys() | laid.keys()):
        source = Source(name)
        sources.append(source)
        text = laid[name] if name in laid else _read_text(files_by_name[name], source)
        yield source, text


def _control_files(root: Traversable, sources: list[Source]) -> list[Traversable]:
    folder = root.joinpath("controls")
    found = [e for e in folder.iterdir() if e.name.endswith(".yaml")] if folder.is_dir() else []
    if not found:
        source = Source(str(folder))
        source.note(1, msg("There is no folder “controls” with YAML files here."))
        sources.append(source)
    return sorted(found, key=lambda e: e.name)


def _read_text(entry: Traversable, source: Source) -> str:
    try:
        return entry.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        source.note(1, msg("The file cannot be read: %(why)s", why=str(error)))
        return "{}"


def _read_data(own: Traversable, root: Traversable, sources: list[Source]) -> dict[str, DataFile]:
    found = read_data_folder(own.joinpath("data"), sources)
    folder = root.joinpath("data")
    if root is not own and folder.is_dir():
        found.update(read_data_folder(folder, sources))
    for name, text in laid_content("data").items():
        source = Source(name)
        sources.append(source)
        laid = read_data_file(name.removeprefix("data/").removesuffix(".yaml"), text, source)
        if laid is not None and not _outdone(laid, found.get(laid.name)):
            found[laid.name] = laid
    return found


def _outdone(laid: DataFile, usual: DataFile | None) -> bool:
    """Tell whether an update of the program has brought a newer list than the organisation's."""
    return usual is not None and laid.name != OWN_LIST and laid.as_of < usual.as_of


def _read_allowed(own: Traversable, root: Traversable, sources: list[Source]) -> lint.AllowList:
    entry = root.joinpath("private_allowlist.yaml")
    source = Source("private_allowlist.yaml")
    sources.append(source)
    chosen = entry if entry.is_file() else own.joinpath("private_allowlist.yaml")
    return lint.read_allow_list(_read_text(chosen, source), source)


def _load_control(text: str, source: Source, loading: _Loading) -> Control | None:
    root = source.parse(text)
    if root is None:
        return None
    fields = root.fields(_CONTROL, ("checks", "picture"))
    if not set(_CONTROL) <= fields.keys():
        return None
    loading.used = set()
    control = _make_control(root, fields, loading)
    lint.check_control(control, root, fields, loading.allowed)
    return control


def _make_control(root: Place, fields: Mapping[str, Place], loading: _Loading) -> Control:
    checks = _read_checks(fields["checks"], loading) if "checks" in fields else {}
    return Control(
        id=ControlID(fields["id"].text()),
        version=fields["version"].integer(1, 1_000_000),
        title=fields["title"].localized(),
        statement=fields["statement"].localized(),
        why=fields["why"].localized(),
        guideline=fields["guideline"].localized(),
        theme=fields["theme"].text(),
        ownership=_read_ownership(fields["ownership"]),
        severity=fields["severity"].choice(Severity),
        grace=lint.days(fields["grace_days"].integer(0, 365)),
        max_age=fields["max_age"].duration(),
        proof=fields["proof"].choice(Proof),
        checks=checks,
        fix=_read_fix(fields["fix"]),
        data=_data_sets(loading),
        place=root.where,
        picture=_read_pictures(fields["picture"]) if "picture" in fields else {},
    )


def _data_sets(loading: _Loading) -> tuple[DataSet, ...]:
    sets = (loading.data[name].data_set for name in sorted(loading.used) if name in loading.data)
    return tuple(found for found in sets if found is not None)


def _read_ownership(place: Place) -> frozenset[Ownership]:
    return frozenset(item.choice(Ownership) for item in place.items())


def _read_checks(place: Place, loading: _Loading) -> dict[Platform, Check]:
    found: dict[Platform, Check] = {}
    for name, entry in place.entries().items():
        if name not in tuple(Platform):
            entry.note(
                msg("“%(got)s” is not known; expected one of: %(known)s.",
                    got=name, known=", ".join(Platform))
            )  # fmt: skip
            continue
        found[Platform(name)] = _read_check(Platform(name), entry, loading)
    return found


def _read_check(platform: Platform, place: Place, loading: _Loading) -> Check:
    fields = place.fields(("sql", "precondition"), _CHECK_OPTIONAL)
    needs = fields["needs"].text() if "needs" in fields else ""
    if needs not in ("", _AGENT):
        fields["needs"].note(msg("Only “%(agent)s” can be needed.", agent=_AGENT))
    every = lint.seconds(_DEFAULT_INTERVAL_SECONDS)
    return Check(
        platform=platform,
        probe=_read_probe(place, fields, loading),
        fallback=_read_fallback(fields["fallback"], loading) if "fallback" in fields else None,
        run_as=fields["as"].choice(RunAs) if "as" in fields else RunAs.ANY,
        interval=fields["interval"].duration() if "interval" in fields else every,
        needs_agent=bool(needs),
        ownership=(
            _read_ownership(fields["ownership"]) if "ownership" in fields else frozenset(Ownership)
        ),
    )


def _read_fallback(place: Place, loading: _Loading) -> Probe:
    fields = place.fields(("sql", "precondition"), ("detail", "tests"))
    return _read_probe(place, fields, loading)


def _read_probe(place: Place, fields: Mapping[str, Place], loading: _Loading) -> Probe:
    before, loading.used = loading.used, set()
    probe = Probe(
        sql=_read_sql(fields, "sql", loading),
        precondition=_read_sql(fields, "precondition", loading),
        detail=_read_sql(fields, "detail", loading),
        cases=tuple(_read_cases(fields["tests"])) if "tests" in fields else (),
        place=place.where,
        data=_data_sets(loading),
    )
    loading.used |= before
    return probe


def _read_sql(fields: Mapping[str, Place], name: str, loading: _Loading) -> str:
    if name not in fields:
        return ""
    place = fields[name]
    text = place.text().rstrip(";").rstrip()
    loading.used |= set(named_files(text))
    return render(text, loading.data, place)


def _read_cases(place: Place) -> Iterable[Case]:
    for item in place.items():
        fields = item.fields(("expect", "tables"))
        if {"expect", "tables"} <= fields.keys():
            tables = fields["tables"].plain()
            yield Case(
                expect=fields["expect"].choice(VerdictKind),
                tables=tables if isinstance(tables, dict) else {},
                place=item.where,
            )


def _read_fix(place: Place) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    found = {}
    for platform, entry in place.entries().items():
        if platform not in (*Platform, "all"):
            entry.note(msg("There is no platform “%(name)s”.", name=platform))
        languages = entry.fields(LANGUAGES)
        found[platform] = {
            language: tuple(step.text() for step in steps.items())
            for language, steps in languages.items()
        }
    return found


def _read_pictures(place: Place) -> Mapping[str, str]:
    # By the names of files alone: the command line reads controls where nothing can be drawn.
    folder = files("sekisho").joinpath("content/pictures")
    known = {entry.name.removesuffix(".yaml") for entry in folder.iterdir()}
    found = {}
    for platform, entry in place.entries().items():
        if platform not in (*Platform, "all"):
            entry.note(msg("There is no platform “%(name)s”.", name=platform))
        found[platform] = entry.text()
        if found[platform] not in known:
            entry.note(msg("There is no picture “%(name)s”.", name=found[platform]))
    return found
