"""Content that the organisation has laid over the program's own: in force in this process.

``sekisho apply`` keeps it in the database; each process takes it up from there
(``server/rulebook.py``). Files are named as in the program's content: ``controls/NAME.yaml``,
``exceptions/rules.yaml``, ``selfchecks/NAME.yaml``, ``data/NAME.yaml``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(slots=True)
class _InForce:
    texts: Mapping[str, str] = field(default_factory=dict)


_in_force = _InForce()


def lay_content(texts: Mapping[str, str]) -> None:
    """Let these files count in this process from now on, and none else."""
    _in_force.texts = MappingProxyType(dict(texts))


def laid_content(folder: str = "") -> Mapping[str, str]:
    """Return the files in force by name, of one folder if it is named."""
    if not folder:
        return _in_force.texts
    return {n: text for n, text in _in_force.texts.items() if n.startswith(f"{folder}/")}
