"""Random Sigma rules and events, made so that rules often nearly match.

Rules are made as documents and go through the loader; few field names and a small alphabet make
hits, near misses and shared tests frequent. ``rule_documents`` covers every modifier.
"""

from typing import Any

import yaml
from hypothesis import strategies as st

from sekisho.detection.language.loading import RuleText, load_rules
from sekisho.detection.model import Event, LogSource, RuleSet

FIELDS = ("Image", "CommandLine", "User", "n", "ip", "ts", "a.b")
SOURCE = LogSource(category="conformance")
_WORDS = (
    "a",
    "b",
    "ab",
    "A",
    "Ü",
    "ü",
    "ß",
    "ss",
    "日本",
    "-",
    "/x",
    "-x",
    " ",
    "\\",
    "*",
    "?",
    ".",
    "İ",
)
_texts = st.lists(st.sampled_from(_WORDS), max_size=4).map("".join)
_addresses = st.sampled_from(
    ("10.1.2.3", "10.2.0.1", "::1", "fe80::1", "::ffff:10.1.2.3", "[fd00::1]", "10.1.2", "-")
)
_times = st.sampled_from(
    (
        "2026-01-05T23:10:00+00:00", "2026-12-31 10:00:00", "2026-02-30T00:00:00Z", "2027-01-01",
        0, 1767650000000,
    )
)  # fmt: skip
_numbers = st.one_of(
    st.integers(-3, 6),
    st.sampled_from(("3", " 4 ", "-1", "1e1", "05", "x", 2.5, "2.5", 5.0, True, "0x5")),
)
_encoded = st.sampled_from(("YWI=", "xYWI", "YWI", "YQBiAA==", "AGEAYg", "QUI="))
_scalars = st.one_of(_texts, _numbers, st.none(), _encoded, _addresses, _times)


def event_values() -> st.SearchStrategy[Any]:
    """Values of events: scalars, and now and then a list."""
    return st.one_of(_scalars, _scalars, _scalars, st.lists(_scalars, max_size=3))


@st.composite
def event_fields(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of one event; ``a.b`` stands flat or nested."""
    fields = draw(st.dictionaries(st.sampled_from(FIELDS), event_values(), max_size=5))
    if "a.b" in fields and draw(st.booleans()):
        fields["a"] = {"b": fields.pop("a.b"), "c": draw(_texts)}
    return fields


@st.composite
def events(draw: st.DrawFn) -> Event:
    """One event of the log source ``SOURCE``."""
    return Event(draw(event_fields()), source=SOURCE, time=draw(st.integers(0, 10**9)))


_TEXT_KEYS = (
    "", "|contains", "|startswith", "|endswith", "|cased", "|contains|cased", "|contains|all",
    "|windash", "|contains|windash", "|neq", "|endswith|all",
)  # fmt: skip
_ENCODED_KEYS = (
    "|base64", "|base64offset|contains", "|wide|base64offset|contains", "|utf16be|base64offset",
    "|utf16|base64|contains",
)  # fmt: skip
_NETWORKS = ("10.0.0.0/8", "10.1.2.3", "fe80::/10", "::/0", "fd00::/8", "0.0.0.0/0")
_REGEXES = ("a", "^a.*b$", "[ab]+", "(?=a)b?", "日.", r"a\d", "A|x$", r"(a)\1")


_PLAIN = st.sampled_from(("a", "ab", "b", "日本"))


def _keyed(keys: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A key made of a field and one of the modifiers, with a value."""
    fields = st.sampled_from(FIELDS)
    return st.tuples(st.builds(str.__add__, fields, st.sampled_from(keys)), values)


def _one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


_text_items = _keyed(_TEXT_KEYS, _one_or_more(_texts))
_encoded_items = _keyed(_ENCODED_KEYS, _one_or_more(_PLAIN))
_number_items = _keyed(("", "|lt", "|lte", "|gt", "|gte", "|neq"), st.integers(-2, 5))
_regex_items = _keyed(("|re", "|re|i", "|re|m", "|re|s", "|re|i|m|s"), st.sampled_from(_REGEXES))
_network_items = _keyed(("|cidr",), st.sampled_from(_NETWORKS))
_reference_items = _keyed(
    tuple(
        f"|fieldref{at}" for at in ("", "|startswith", "|endswith", "|contains", "|neq", "|cased")
    ),
    st.sampled_from(FIELDS),
)
_null_items = _keyed(("", "|neq"), st.none())
_exists_items = _keyed(("|exists",), st.booleans())
_time_items = _keyed(
    ("|minute", "|hour", "|day", "|week", "|month", "|year", "|hour|gte"),
    st.sampled_from((1, 5, 10, 23, 53, 2026)),
)
_items = st.one_of(
    _text_items, _text_items, _text_items, _encoded_items, _number_items, _regex_items,
    _network_items, _reference_items, _null_items, _exists_items, _time_items,
)  # fmt: skip


def _selections() -> st.SearchStrategy[Any]:
    block = st.lists(_items, min_size=1, max_size=3, unique_by=lambda item: item[0]).map(dict)
    words = st.lists(_texts.filter(bool), min_size=1, max_size=2)
    return st.one_of(
        block,
        block,
        st.lists(block, min_size=1, max_size=3),
        words,
        st.builds(lambda said: {"|all": said}, words),
    )


_conditions = st.sampled_from(
    (
        "s1", "not s1", "s1 and s2", "s1 or s2", "s1 and not s2", "1 of s*", "all of s*",
        "2 of s*", "s1 and not (s2 or s3)", "not 1 of them", "all of them", "(s1 or s2) and s3",
    )
)  # fmt: skip


@st.composite
def rule_documents(draw: st.DrawFn) -> dict[str, Any]:
    """One rule as it would be written."""
    detection = {name: draw(_selections()) for name in ("s1", "s2", "s3")}
    return {
        "title": "Random rule",
        "logsource": {"category": "conformance"},
        "detection": {**detection, "condition": draw(_conditions)},
    }


@st.composite
def rule_sets(draw: st.DrawFn, most: int = 6) -> RuleSet:
    """Several rules, loaded; none is refused."""
    documents = draw(st.lists(rule_documents(), min_size=1, max_size=most))
    for number, document in enumerate(documents):
        document["id"] = f"rule-{number}"
    text = yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False)
    loaded = load_rules([RuleText("random.yml", text.encode())])
    assert not loaded.faults, [str(fault) for fault in loaded.faults]
    return loaded
