"""A folder of controls takes over when it changes; with a mistake the last good set stays."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import text

from fakes.clock import FakeClock
from sekisho.controls import service as controls
from sekisho.controls.catalogue import load_catalogue
from sekisho.controls.faults import CatalogueError
from sekisho.controls.model import Platform, Subject
from sekisho.kernel.ids import ControlID, DeviceID
from sekisho.kernel.principal import SYSTEM
from sekisho.kernel.settings import Settings
from sekisho.server.bootstrap import House, open_house
from sekisho.server.rulebook import Rulebook, keep_last_good, open_rulebook
from sekisho.wire.kit import Ownership

DISK = ControlID("disk-encrypted")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one's own with two of the controls that come with the program."""
    own = Path(str(files("sekisho").joinpath("content/controls")))
    target = tmp_path / "rules" / "controls"
    target.mkdir(parents=True)
    for name in ("disk-encrypted.yaml", "firewall.yaml"):
        shutil.copy(own / name, target)
    return target


@pytest.fixture
def house(data_folder: Path, folder: Path, clock: FakeClock) -> Iterator[House]:
    with open_house(Settings(data_folder, controls=str(folder.parent)), clock) as opened:
        controls.put_in_force(open_rulebook(opened.settings))
        yield opened


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_changed_file_takes_over(house: House, folder: Path) -> None:
    rulebook = Rulebook(house.settings)
    assert not rulebook.refresh(house)

    _change(folder / "disk-encrypted.yaml", "grace_days: 7", "grace_days: 3")

    assert rulebook.refresh(house)
    assert controls.catalogue_in_force().controls[DISK].grace.days == 3


def test_a_mistake_leaves_the_last_good_set(
    house: House, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rulebook = Rulebook(house.settings)

    _change(folder / "disk-encrypted.yaml", "severity: critical", "severity: terrible")

    assert not rulebook.refresh(house)
    assert controls.catalogue_in_force().controls[DISK].severity == "critical"
    assert "disk-encrypted.yaml:" in capsys.readouterr().out
    (fault,) = controls.known_faults()
    assert fault.file.endswith("disk-encrypted.yaml")

    _change(folder / "disk-encrypted.yaml", "severity: terrible", "severity: critical")

    assert not rulebook.refresh(house)
    assert controls.known_faults() == ()


def test_a_copy_that_cannot_be_kept_does_not_stop_a_change(house: House, folder: Path) -> None:
    rulebook = Rulebook(house.settings)
    _change(folder / "disk-encrypted.yaml", "grace_days: 7", "grace_days: 3")
    good = house.settings.data / "controls.good"
    shutil.rmtree(good)
    good.write_text("a file in the place of the folder")

    rulebook.refresh_safely(house)

    assert not list(house.settings.data.glob("controls.new-*"))
    assert controls.catalogue_in_force().controls[DISK].grace.days == 3


def test_two_processes_that_keep_the_same_set_do_not_meet(house: House) -> None:
    good = house.settings.data / "controls.good"
    for _ in range(5):
        shutil.rmtree(good)
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(keep_last_good, house.settings) for _ in range(4)]
            assert [one.result() for one in done] == [None] * 4
        assert set(load_catalogue(good).controls) == {"disk-encrypted", "firewall"}
        assert not list(house.settings.data.glob("controls.new-*"))


def test_the_last_good_set_survives_a_restart(house: House, folder: Path) -> None:
    (folder / "firewall.yaml").write_text("id: [")

    again = open_rulebook(house.settings)

    assert set(again.controls) == {"disk-encrypted", "firewall"}


def test_without_a_last_good_set_every_fault_is_told(tmp_path: Path, folder: Path) -> None:
    (folder / "firewall.yaml").write_text("id: [")
    (tmp_path / "new").mkdir()

    with pytest.raises(CatalogueError, match=r"firewall\.yaml"):
        open_rulebook(Settings(tmp_path / "new", controls=str(folder.parent)))


def test_stored_verdicts_follow_a_changed_set_bit_by_bit(house: House, folder: Path) -> None:
    rulebook = Rulebook(house.settings)
    devices = [
        Subject(DeviceID(f"dev_{n:03}"), Ownership.COMPANY, Platform.LINUX) for n in range(250)
    ]
    assert rulebook.settle(house)
    with house.database.write(SYSTEM) as tx:
        for device in devices:
            controls.start_device(tx, device)
    _change(folder / "disk-encrypted.yaml", "version: 1", "version: 2")
    rulebook.refresh(house)

    with house.database.read(SYSTEM) as tx:
        takeover = controls.find_takeover(tx)
    assert takeover is not None
    with house.database.write(SYSTEM) as tx:
        assert not takeover.step(tx)
    assert 0 < len(_of_version(house, 2)) < len(devices)

    while not rulebook.settle(house):
        pass
    assert len(_of_version(house, 2)) == len(devices)
    with house.database.read(SYSTEM) as tx:
        assert controls.find_takeover(tx) is None


def _of_version(house: House, version: int) -> list[str]:
    those = text(
        "SELECT device_id FROM control_verdicts WHERE control_id = :id AND control_version = :v"
    )
    with house.database.read(SYSTEM) as tx:
        return [row.device_id for row in tx.rows(those, {"id": str(DISK), "v": version})]
