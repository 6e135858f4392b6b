"""One kind of event at run time: columns to classes, classes to rules, remembered."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from sekisho.detection.engine.compiled.classes import Memory
from sekisho.detection.engine.compiled.judge import ABSENT, Judge
from sekisho.detection.engine.compiled.terms import KEYWORDS, GroupPlan
from sekisho.detection.engine.values import MISSING, all_leaves, find

NO_RULES: tuple[int, ...] = ()
FIRM = ("EventID", "Channel", "Provider_Name")
"""What System says of these counts even where the data has a field of the same name."""

_MOST_SIGNATURES = 200_000


class Group:
    """The rules of one kind of event; ``names`` are the fields that they look at.

    ``fire`` takes the values of ``names`` in this order. A signature is the tuple of the classes
    of an event's values; which rules it means is found out once.
    """

    def __init__(self, plan: GroupPlan, memory: Memory) -> None:
        self.plan, self._classes = plan, memory.classes
        fields = [column for column in plan.columns if column.column != KEYWORDS]
        names = dict.fromkeys(name for column in fields for name in column.column.names)
        self.names = tuple(sorted(names, key=lambda name: name in FIRM))
        self.judges = [
            Judge(column, plan.tests, memory, windows=plan.windows) for column in plan.columns
        ]
        self.keywords = self.judges.pop() if len(fields) < len(plan.columns) else None
        self.known = tuple(judge.known for judge in self.judges)
        self.arrange = _arranger(self.names, [judge.plan.column.names for judge in self.judges])
        self.memo: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._rules_of_class: dict[int, frozenset[int]] = {}
        memory.on_forget(self.forget)

    def forget(self) -> None:
        """Drop everything that holds numbers of classes."""
        self.memo.clear()
        self._rules_of_class.clear()

    @property
    def idle(self) -> bool:
        """Say that no rule here can fire without a keyword."""
        return not self.names and not self.plan.always

    def fire(self, arranged: tuple[Any, ...], signature: tuple[int | None, ...]) -> tuple[int, ...]:
        """Return the rules that hold for one event without keywords; a value for each judge.

        ``signature`` holds the classes that are known already, None where one has to be found.
        """
        return self._fired(
            tuple(
                [
                    judge.classify(value) if number is None else number
                    for judge, value, number in zip(self.judges, arranged, signature, strict=True)
                ]
            )
        )

    def _classify(self, arranged: tuple[Any, ...]) -> tuple[int, ...]:
        return tuple(
            [judge.classify(value) for judge, value in zip(self.judges, arranged, strict=True)]
        )

    def fire_whole(self, fields: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the rules that hold for an event of which all fields are known."""
        values = tuple([_find(fields, name) for name in self.names])
        signature = self._classify(values if self.arrange is None else self.arrange(values))
        if self.keywords is not None:
            found = self._keywords_in(self.keywords, fields)
            if found:
                signature = (*signature, found)
        return self._fired(signature)

    def _keywords_in(self, judge: Judge, fields: Mapping[str, Any]) -> int:
        true: set[int] = set()
        for value in all_leaves(fields):
            true |= judge.passing(value)
        return self._classes.number(true)

    def _fired(self, signature: tuple[int, ...]) -> tuple[int, ...]:
        fired = self.memo.get(signature)
        if fired is None:
            if len(self.memo) >= _MOST_SIGNATURES:
                self.memo.clear()
            fired = self.memo[signature] = self._try(signature)
        return fired

    def _try(self, signature: tuple[int, ...]) -> tuple[int, ...]:
        true = frozenset().union(*map(self._classes.sets.__getitem__, signature))
        tried = set(self.plan.always).union(*map(self._rules_needing, signature))
        trees, rules = self.plan.trees, self.plan.rules
        return tuple(rules[at] for at in sorted(tried) if trees[at].holds(true)) or NO_RULES

    def _rules_needing(self, number: int) -> frozenset[int]:
        rules = self._rules_of_class.get(number)
        if rules is None:
            index = self.plan.index
            terms = self._classes.sets[number]
            rules = frozenset(rule for term in terms if term in index for rule in index[term])
            self._rules_of_class[number] = rules
        return rules


def _find(fields: Mapping[str, Any], name: str) -> Any:
    value = find(fields, name)
    return ABSENT if value is MISSING else value


def _arranger(
    names: tuple[str, ...], columns: list[tuple[str, ...]]
) -> Callable[[tuple[Any, ...]], tuple[Any, ...]] | None:
    """Return what makes one value a column of the values of all names; None if they are that."""
    if [(name,) for name in names] == columns:
        return None
    getters = [itemgetter(*map(names.index, column)) for column in columns]
    return lambda values: tuple([get(values) for get in getters])
