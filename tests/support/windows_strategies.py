"""Random records of Windows in the EVTX form, and rules that ask for what stands in them."""

import json
from typing import Any

import yaml
from hypothesis import strategies as st

from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.model import RuleSet
from support.sigma_strategies import rule_documents

SYSMON = "Microsoft-Windows-Sysmon/Operational"
_CHANNELS = ("Security", "security", SYSMON, "System", "Other/Channel", "")
_SOURCES: tuple[dict[str, str], ...] = (
    {"product": "windows"},
    {"product": "windows", "service": "security"},
    {"product": "windows", "service": "system"},
    {"product": "windows", "category": "process_creation"},
    {"product": "windows", "category": "registry_set"},
    {"category": "process_creation"},
    {},
)
_NAMES = (
    "Image",
    "CommandLine",
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
    "Threat Name",
)
_texts = st.sampled_from(
    ("", "a", "ab", "Ab", "b a", "Ü", "ß", "日本", "-x", "ſ", "K", "\\", "1", "true")
)
_values = st.one_of(
    _texts,
    _texts,
    st.integers(-1, 3),
    st.booleans(),
    st.none(),
    st.sampled_from((1.0, -0.0, 1e16)),
    st.just(12345),
    st.sampled_from(("c:\\Windows\\explorer.exe", "C:\\WINDOWS\\System32\\cmd.exe", "a\n\tb")),
    st.lists(_texts, max_size=2),
    st.just({"#text": ["a", "b"]}),
    st.just({"x": "a"}),
    st.just("10.1.2.3"),
    st.just("\x01"),
)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """One record; System is of the usual form more often than not."""
    event_id: Any = draw(st.sampled_from((1, 1, 4688, 4688, 13, 4624, 7045)))
    if draw(st.integers(0, 5)) == 0:
        event_id = draw(
            st.sampled_from(({"#text": 7045, "#attributes": {"Qualifiers": 1}}, "4688", True, None))
        )
    system = {
        "Provider": draw(
            st.sampled_from(({"#attributes": {"Name": "a"}}, {"#attributes": {}}, None))
        ),
        "EventID": event_id,
        "Level": draw(st.sampled_from((0, 4, None, "4"))),
        "TimeCreated": {"#attributes": {"SystemTime": "2026-11-02T00:00:00.000001Z"}},
        "Channel": draw(st.sampled_from(_CHANNELS)),
        "Computer": draw(st.sampled_from(("PC", "a", None))),
    }
    data = draw(st.dictionaries(st.sampled_from(_NAMES), _values, max_size=6))
    event: dict[str, Any] = {"System": system}
    where = draw(
        st.sampled_from(("EventData", "EventData", "EventData", "UserData", "none", "null"))
    )
    if where == "EventData":
        event["EventData"] = data
    elif where == "UserData":
        event["UserData"] = {"EventXML": data}
    elif where == "null":
        event["EventData"] = None
    return {"Event": event}


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """One record as a JSON text, with or without escapes; now and then no record at all."""
    if draw(st.integers(0, 15)) == 0:
        return draw(st.sampled_from((b"", b"{", b"[1]", b'"a"', b'{"Event":1}', b"\xff", b"null")))
    text = json.dumps(draw(records()), ensure_ascii=draw(st.booleans()))
    return text.encode()


@st.composite
def windows_rules(draw: st.DrawFn, most: int = 6) -> RuleSet:
    """Several rules on Windows, loaded; none is refused."""
    documents = draw(st.lists(rule_documents(), min_size=1, max_size=most))
    for number, document in enumerate(documents):
        document["id"] = f"rule-{number}"
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
    text = yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False)
    loaded = load_rules([RuleText("random.yml", text.encode())])
    assert not loaded.faults, [str(fault) for fault in loaded.faults]
    return loaded
