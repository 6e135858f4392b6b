"""A device that answers checks as it is told to: the outside world of the controls room."""

from datetime import datetime

from sekisho.controls.model import Answer, Catalogue, Control, Platform, Subject
from sekisho.kernel.ids import ControlID


class Replies:
    """Writes what a device would answer for some controls."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def control(self, name: str) -> Control:
        return self.catalogue.controls[ControlID(name)]

    def about(
        self,
        name: str,
        platform: Platform,
        *,
        passed: bool,
        ready: bool = True,
        at: datetime | None = None,
    ) -> list[Answer]:
        control = self.control(name)
        check = control.find_check(platform)
        assert check is not None
        row = ({"1": "1"},)
        return [
            Answer(control.policy_name, row if passed else (), device_time=at),
            Answer(check.probe.ready_name, row if ready else (), device_time=at),
        ]

    def all_of(self, subject: Subject, *, passed: bool) -> list[Answer]:
        found: list[Answer] = []
        for control in self.catalogue.applying(subject.platform, subject.ownership):
            if control.find_check(subject.platform) is not None:
                found += self.about(control.id, subject.platform, passed=passed)
        return found
