"""What a browser can find wrong with a page that lies open: each function lists its faults."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text(encoding="utf-8")
# What hangs on how wide the window is and what stands in it; all other rules read what is there.
LAYOUT = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Words that stand in nearly every English sentence and in no Japanese one.
_ENGLISH = re.compile(
    r"\b(the|this|that|of|is|are|was|were|not|and|or|for|from|with|yet|has|have|been|no|your|you"
    r"|nobody|until|all|show|save|remove|make|other)\b",
    re.IGNORECASE,
)
# A full stop is as wide as a letter and brings its own distance.
_GAP = re.compile(r"[。！？] +\S")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")

# Text that the page itself says: no code, no names (people, labels and devices are data), nothing
# that says it is in the other language.
_SAID = """(data) => {
  const own = document.documentElement.lang;
  const skip = "code, pre, script, style, noscript, .mono, input, textarea, option, " + data;
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.parentElement;
    if (at.closest(skip) || at.closest("[lang]").lang !== own) continue;
    found.push(walker.currentNode.textContent.trim());
  }
  for (const name of ["aria-label", "title", "placeholder", "alt", "data-k"]) {
    for (const at of document.querySelectorAll(`[${name}]`)) {
      if (at.closest("[lang]").lang === own) found.push(at.getAttribute(name));
    }
  }
  return [document.title, ...found].filter(Boolean);
}"""


def find_violations(page: Page) -> list[str]:
    """List what axe-core finds, one line a node."""
    page.evaluate(AXE)
    return _run(page, {"type": "tag", "values": TAGS})


def find_layout_violations(page: Page) -> list[str]:
    """List what axe-core finds in a page after its window changed; it has been looked at before."""
    return _run(page, {"type": "rule", "values": LAYOUT})


def _run(page: Page, rules: dict[str, Any]) -> list[str]:
    asked = "rules => axe.run({runOnly: rules, resultTypes: ['violations'], preload: false})"
    result: dict[str, Any] = page.evaluate(asked, rules)
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in result["violations"]
        for node in fault["nodes"]
    ]


def measure_excess(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def find_foreign_words(page: Page, language: str, names: list[str], data: str = "nav") -> list[str]:
    """List texts of a page not written as its language is; ``names`` and ``data`` are let pass.

    ``names`` are what people typed; ``data`` is a selector of what holds only that.
    """
    strange = _JAPANESE if language == "en" else _ENGLISH
    found = []
    for text in page.evaluate(_SAID, data):
        plain = text
        for name in sorted(names, key=len, reverse=True):  # "Server" is in longer names too
            plain = plain.replace(name, "")
        if strange.search(plain):
            found.append(f"not {language}: {text[:120]!r}")
        if language == "ja" and (gap := _GAP.search(plain)):
            found.append(f"a gap between two sentences: {plain[max(0, gap.start() - 40) :][:80]!r}")
    return found
