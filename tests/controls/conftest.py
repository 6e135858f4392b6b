"""A catalogue, devices and answers to judge."""

import pytest

from fakes.answering_device import Replies
from fakes.clock import FakeClock
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.model import Catalogue, Platform, Subject
from sekisho.kernel.db import Database
from sekisho.kernel.ids import DeviceID
from sekisho.wire.kit import Ownership
from support.exception_town import ExceptionTown


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
def laptop() -> Subject:
    return Subject(DeviceID("dev_1"), Ownership.COMPANY, Platform.WINDOWS, "per_saeki")


@pytest.fixture
def own_pc() -> Subject:
    return Subject(DeviceID("dev_2"), Ownership.PRIVATE, Platform.LINUX, "per_tanaka")


@pytest.fixture
def replies(catalogue: Catalogue) -> Replies:
    return Replies(catalogue)


@pytest.fixture
def town(database: Database, clock: FakeClock, replies: Replies) -> ExceptionTown:
    return ExceptionTown(database, clock, replies).settle()
