"""Random records of Windows in the EVTX form, and rules that ask for what stands in them.

Values and rules are put together of the same words, long enough to be looked for, in whatever case;
texts are written as the various JSON writers do, with every kind of escape.
"""

import json
import re
from typing import Any

import yaml
from hypothesis import strategies as st

from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.model import RuleSet
from support.sigma_strategies import rule_documents

SYSMON = "Microsoft-Windows-Sysmon/Operational"
DEFENDER = "Microsoft-Windows-Windows Defender/Operational"
_CHANNELS = ("Security", "security", SYSMON, "System", "Other/Channel", "", DEFENDER)
_SOURCES: tuple[dict[str, str], ...] = (
    {"product": "windows"},
    {"product": "windows", "service": "security"},
    {"product": "windows", "service": "system"},
    {"product": "windows", "category": "process_creation"},
    {"product": "windows", "category": "registry_set"},
    {"product": "windows", "category": "network_connection"},
    {"product": "windows", "category": "file_access"},
    {"product": "windows", "service": "windefend"},
    {"category": "process_creation"},
    {},
)
_NAMES = (
    "Image",
    "CommandLine",
    "ParentImage",
    "OriginalFileName",
    "User",
    "n",
    "ip",
    "ts",
    "a.b",
    "NewProcessName",
    "Level",
    "Computer",
    "Channel",
    "EventID",
    "Data",
    "Provider_Name",
    "Provider",
    "Threat Name",
)
_DERIVED = (
    "ProcessId", "NewProcessId", "ParentProcessName", "SubjectUserName", "SubjectDomainName",
    "TargetUserName", "MandatoryLabel", "ObjectName", "ObjectValueName", "NewValue",
    "NewValueType", "OperationType", "ObjectType", "ProcessName", "Application", "Direction",
    "Protocol", "DestPort", "Security", "Provider", "System",
)  # fmt: skip
_WORDS = (
    "whoami", "\\cmd.exe", "c:\\windows\\", "-enc", "\u017fkip", "\u0130x", "straße",
    "\u212aelvin", "日本語", 'a"b', "1234", "12345678", "true", "http://", "\t", "\r\n",
    "\u2028", "\x7f", "\x00", "😀", "*", "?", "a", " ", "\\", "\ufb01le", "Éa", "σς",
    "\u0149", ".5", "null", "/", "<&>", "\ud800", "-",
    "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\", "\\device\\harddiskvolume3\\",
    "HKLM\\SYSTEM\\CurrentControlSet\\", "hku", "High", "SetValue", "tcp", "DWORD (0x0000000c)",
    "0x0000000c", "%%1905", "x" * 5_000,
)  # fmt: skip
_CASES = (str, str.upper, str.lower, str.casefold, str.title, str.swapcase)
_texts = st.one_of(
    st.sampled_from(
        ("", "a", "ab", "Ab", "b a", "Ü", "ß", "日本", "-x", "ſ", "K", "\\", "1", "true")
    ),
    st.builds(
        lambda words, case: case("".join(words)),
        st.lists(st.sampled_from(_WORDS), max_size=4),
        st.sampled_from(_CASES),
    ),
)
_values = st.one_of(
    _texts,
    _texts,
    st.integers(-1, 3),
    st.booleans(),
    st.none(),
    st.sampled_from((1.0, -0.0, 1e16, 1.5, -1e-7, 1234.0, 2**53 + 1, 2**64, 12345678, 88, "0x58")),
    st.sampled_from(
        ("%%14593", "%%1905", "%%1876", "%%1873", 6, "S-1-16-12288", "File", "Key", "-")
    ),
    st.just(12345),
    st.sampled_from(("c:\\Windows\\explorer.exe", "C:\\WINDOWS\\System32\\cmd.exe", "a\n\tb")),
    st.lists(_texts, max_size=2),
    st.lists(st.one_of(_texts, st.integers(0, 2), st.none(), st.lists(_texts)), max_size=3),
    st.builds(lambda text: {"#attributes": {"Name": "a"}, "#text": text}, _texts),
    st.just({}),
    st.just({"#attributes": {"a": "whoami"}}),
    st.just({"#text": ["a", "b"]}),
    st.just({"x": "a"}),
    st.just("10.1.2.3"),
    st.just("\x01"),
)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """One record; System is of the usual form more often than not."""
    data = draw(st.dictionaries(st.sampled_from(_NAMES + _DERIVED), _values, max_size=6))
    parts = draw(
        st.sampled_from(
            (
                {"EventData": data}, {"EventData": data}, {"EventData": data},
                {"UserData": {"EventXML": data}}, {}, {"EventData": None},
                {"EventData": draw(_values)},
                {"UserData": {"#attributes": {"a": "b"}, "EventXML": data},
                 "Other": {"Part": draw(_values), "User": "a"}},
            )
        )
    )  # fmt: skip
    return {"Event": {"System": draw(_systems()), **parts}}


@st.composite
def _systems(draw: st.DrawFn) -> dict[str, Any]:
    event_id: Any = draw(st.sampled_from((1, 1, 4688, 4688, 13, 4624, 7045, 4657, 5156, 4663)))
    if draw(st.integers(0, 5)) == 0:
        event_id = draw(
            st.sampled_from(({"#text": 7045, "#attributes": {"Qualifiers": 1}}, "4688", True, None))
        )
    system: dict[str, Any] = {
        "Provider": draw(
            st.sampled_from(({"#attributes": {"Name": "a"}}, {"#attributes": {}}, None))
        ),
        "EventID": event_id,
        "Level": draw(st.sampled_from((0, 4, None, "4"))),
        "TimeCreated": {"#attributes": {"SystemTime": "2026-11-02T00:00:00.000001Z"}},
        "Channel": draw(st.sampled_from(_CHANNELS)),
        "Computer": draw(st.sampled_from(("PC", "a", None))),
    }
    if draw(st.integers(0, 9)) == 0:
        del system[draw(st.sampled_from(tuple(system)))]
    if draw(st.integers(0, 9)) == 0:
        system["Security"] = {"#attributes": {"UserID": draw(_texts)}}
        system["Execution"] = {"#attributes": {"ProcessID": 4, "ThreadID": draw(_values)}}
        system["Task"] = draw(_values)
    return system


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Write a record as tables and log shippers do, without parts."""
    system, data = record["Event"]["System"], record["Event"].get("EventData")
    named = {name: value for name, value in system.items() if name != "Provider"}
    return {**(data if isinstance(data, dict) else {}), **named}


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """One record as a JSON text, with or without escapes; now and then no record at all."""
    if draw(st.integers(0, 15)) == 0:
        return draw(st.sampled_from((b"", b"{", b"[1]", b'"a"', b'{"Event":1}', b"\xff", b"null")))
    record = draw(records())
    if draw(st.integers(0, 11)) == 0:
        record = draw(
            st.sampled_from(
                (
                    _flat(record), {**_flat(record), "EventData": {"Image": "whoami"}},
                    record["Event"], {"Records": [record, record]},
                    {"winlog": {"event_id": 1, "channel": SYSMON, "event_data": record}},
                    {**record, "other": "whoami"},
                )
            )
        )  # fmt: skip
    text = json.dumps(
        record,
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from(((",", ":"), (", ", ": "), (" ,\t", " :\r")))),
    )
    written = _write_otherwise(text, draw(st.integers(0, 7))).encode("utf-8", "surrogatepass")
    return written + draw(st.sampled_from((b"", b"", b"", b"\r", b" ", b"\n")))


_ALIKE = ("Image", "CommandLine", "User", "ParentImage", "OriginalFileName")
_FEW_TEXTS = st.sampled_from(("", "a", "A b", "\\a.exe", "c:\\a.exe", "\u017f", "whoami /all"))


@st.composite
def crowds(draw: st.DrawFn) -> list[bytes]:
    """Records that are alike but for a field that is not there, empty, null or another text.

    What is remembered of one is asked for by the next.
    """
    data = {name: draw(_FEW_TEXTS) for name in _ALIKE if draw(st.integers(0, 3))}
    event_id, channel = draw(st.sampled_from(((1, SYSMON), (4688, "Security"))))
    system = {
        "Provider": {"#attributes": {"Name": "a"}}, "EventID": event_id, "Channel": channel,
        "TimeCreated": {"#attributes": {"SystemTime": "2026-11-02T00:00:00.000001Z"}},
    }  # fmt: skip
    texts: list[bytes] = []
    name = draw(st.sampled_from(("CommandLine", *_ALIKE)))
    for value in draw(st.permutations((None, "", ..., draw(_FEW_TEXTS), draw(_FEW_TEXTS)))):
        changed = {**data, name: value}
        left = {name: value for name, value in changed.items() if value is not ...}
        texts.append(json.dumps({"Event": {"System": system, "EventData": left}}).encode())
    return texts


_HOW = ("", "|contains", "|endswith", "|cased", "|exists", "|re", "|fieldref", "|neq")


@st.composite
def process_rules(draw: st.DrawFn) -> RuleSet:
    """Rules on processes that ask for little, so that one record's values may decide the next."""
    documents = []
    for number in range(draw(st.integers(1, 5))):
        detection: dict[str, Any] = {
            name: {
                draw(st.sampled_from(("CommandLine", *_ALIKE))) + how: _asked(draw, how)
                for how in hows
            }
            for name in ("s", "t")
            if (hows := draw(st.lists(st.sampled_from(_HOW), min_size=1, max_size=3)))
        }
        conditions = ("s", "s and t", "s and not t", "not s", "s or t", "1 of them")
        documents.append({
            "title": "Random rule", "id": f"rule-{number}",
            "logsource": {"product": "windows", "category": "process_creation"},
            "detection": {**detection, "condition": draw(st.sampled_from(conditions))},
        })  # fmt: skip
    return _load(documents)


def _asked(draw: st.DrawFn, how: str) -> Any:
    if how == "|exists":
        return draw(st.booleans())
    if how == "|fieldref":
        return draw(st.sampled_from(_ALIKE))
    if how == "|re":
        return draw(st.sampled_from(("^$", "a", "^.*exe$")))
    return draw(st.one_of(_FEW_TEXTS, st.none() if how in {"", "|neq"} else _FEW_TEXTS))


def _load(documents: list[Any]) -> RuleSet:
    text = yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False)
    loaded = load_rules([RuleText("random.yml", text.encode())])
    assert not loaded.faults, [str(fault) for fault in loaded.faults]
    return loaded


def _write_otherwise(text: str, way: int) -> str:
    """Write some letters as other writers may: escaped, in capitals, or a name twice."""
    if way == 0:
        return re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), text)
    if way == 1:
        return re.sub("[wW]", lambda found: f"\\u{ord(found[0]):04x}", text)
    if way == 2:
        return text.replace("/", "\\/")
    if way == 3:
        return text.replace('"Image"', '"Image":"whoami","Image"')
    return text


_ASKED = (
    "Image", "CommandLine", "User", "ParentImage", "ProcessId", "IntegrityLevel", "TargetObject",
    "Details", "EventType", "DestinationPort", "Initiated", "Data", "Computer", "Task", "n",
    "OriginalFileName", "Hashes", "Provider", "Provider_Name", "Channel", "EventID",
    "Security_UserID", "Execution_ThreadID", "FileName", "ObjectName", "ThreatName", "Threat Name",
    "Security", "Provider", "System", "Event",
)  # fmt: skip
_ASKED_HOW = (
    "",
    "|contains",
    "|startswith",
    "|endswith",
    "|contains|all",
    "|re",
    "|re|i",
    "|cased",
)


@st.composite
def _wordy(draw: st.DrawFn) -> Any:
    """A selection that asks for the words of which values are made; or such words alone."""
    texts = _texts.filter(lambda text: "\ud800" not in text and len(text) < 1000)
    if draw(st.integers(0, 7)) == 0:
        return draw(st.lists(texts.filter(bool), min_size=1, max_size=2))
    asked: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(_ASKED), min_size=1, max_size=3, unique=True)):
        how = draw(st.sampled_from(_ASKED_HOW))
        values = draw(st.lists(texts, min_size=1, max_size=3))
        asked[name + how] = [re.escape(text) for text in values] if "re" in how else values
    return asked


@st.composite
def windows_rules(draw: st.DrawFn, most: int = 6) -> RuleSet:
    """Several rules on Windows, loaded; none is refused."""
    documents = draw(st.lists(rule_documents(), min_size=1, max_size=most))
    for number, document in enumerate(documents):
        document["id"] = f"rule-{number}"
        if draw(st.booleans()):
            document["detection"]["s2"] = draw(_wordy())
        document["logsource"] = draw(st.sampled_from(_SOURCES)) or {"product": "windows"}
        if draw(st.booleans()):
            document["detection"]["s1"] = {
                draw(
                    st.sampled_from(
                        (
                            "EventID",
                            "Channel",
                            "Level",
                            "Data|contains",
                            "Provider_Name",
                            "Image|endswith",
                            "CommandLine|contains",
                            "User",
                        )
                    )
                ): draw(
                    st.sampled_from(
                        (1, 4688, "Security", "a", "1*", "\\explorer.exe", "2345", True)
                    )
                )
            }
    return _load(documents)
