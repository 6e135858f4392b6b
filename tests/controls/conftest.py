"""A catalogue, devices and answers to judge."""

import pytest

from fakes.answering_device import Replies
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.model import Catalogue, Platform, Subject
from sekisho.kernel.ids import DeviceID
from sekisho.wire.kit import Ownership


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
