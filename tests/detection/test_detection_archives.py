"""Packed logs: every packing, packings in packings, bombs, and names that want to lead out."""

import bz2
import gzip
import io
import lzma
import os
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest

from sekisho.detection.hunting import rulesets
from sekisho.detection.sources.limits import Allowance, Limits
from sekisho.detection.sources.seven import Shelf
from support.logs import json_lines, read_bytes, read_paths, windows_event

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LOG = json_lines([windows_event()])


def as_zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def as_tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def as_seven(files: dict[str, bytes], password: str | None = None) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", password=password) as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    return out.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "zip": lambda content: as_zip({"a.log": content}),
    "7z": lambda content: as_seven({"a.log": content}),
    "tar": lambda content: as_tar({"a.log": content}),
    "tar.gz": lambda content: gzip.compress(as_tar({"a.log": content})),
    "zip in a tar in xz": lambda content: lzma.compress(as_tar({"b": as_zip({"c": content})})),
    "7z in a zip": lambda content: as_zip({"b.7z": as_seven({"c": content})}),
    "two gz in one": lambda content: gzip.compress(content[:100]) + gzip.compress(content[100:]),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_packed_log_is_read(packing: str) -> None:
    events, troubles = read_bytes(PACKINGS[packing](LOG), "logs")
    assert [e.event_id for e in events] == [4625]
    assert not troubles


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_torn_archive_is_told_and_nothing_else_fails(packing: str) -> None:
    packed = PACKINGS[packing](LOG * 500)
    _, troubles = read_bytes(packed[: len(packed) // 2], "logs")
    assert troubles


def noisy_lines(count: int) -> list[dict[str, object]]:
    """Return events that hardly pack, so that half of the packed bytes is half of them."""
    noise = random.Random(5)  # noqa: S311 - noise, no secret
    return [windows_event(Noise=f"{noise.getrandbits(2048):x}") for _ in range(count)]


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "tar", "tar.gz"])
@pytest.mark.parametrize("count", [60, 3_000])
def test_all_that_stands_before_the_damage_is_read(packing: str, count: int) -> None:
    packed = PACKINGS[packing](json_lines(noisy_lines(count)))
    events, troubles = read_bytes(packed[: len(packed) * 3 // 4], "logs.log")
    least = 0.5 if count < 100 or packing == "bz2" else 0.7
    assert len(events) >= count * least or (count < 100 and packing in {"bz2", "zst"})  # in blocks
    assert all("fault of this program" not in str(one.what) for one in troubles)
    assert any("damaged or ends" in str(one.what) for one in troubles)


def test_a_bad_member_costs_no_other() -> None:
    packed = bytearray(as_zip({"a.log": json_lines(noisy_lines(200)), "b.log": LOG * 3}))
    packed[len(packed) // 2] ^= 0xFF
    events, troubles = read_bytes(bytes(packed), "logs.zip")
    assert sum(one.file.endswith("a.log") for one in events) >= 80
    assert sum(one.file.endswith("b.log") for one in events) == 3
    assert any("damaged" in str(one.what) for one in troubles)


def test_what_a_damaged_7z_gave_out_is_read() -> None:
    packed = bytearray(as_seven({"a.log": json_lines(noisy_lines(6_000))}))
    packed[len(packed) * 9 // 10] ^= 0xFF
    events, troubles = read_bytes(bytes(packed), "logs.7z")
    assert len(events) >= 1_000
    assert any("damaged" in str(one.what) for one in troubles)


def test_an_archive_without_its_directory_is_not_said_to_be_read() -> None:
    packed = as_zip({"a.log": LOG * 50})
    events, troubles = read_bytes(packed[:-30], "logs.zip")
    assert not events
    assert [str(one.hint) for one in troubles] == [
        "Nothing in it could be read; fetch the file again if you can."
    ]


def test_every_member_is_named_after_its_archive() -> None:
    events, _ = read_bytes(as_zip({"a/b.json": LOG, "c.json": LOG}), "logs.zip")
    assert [e.file for e in events] == ["logs.zip » a/b.json", "logs.zip » c.json"]


@pytest.mark.parametrize("pack", [as_zip, as_tar])
def test_names_that_lead_out_are_only_names(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = {"../../out.json": LOG, f"{tmp_path}/absolute.json": LOG, "a\n\x1b[2Jb.json": LOG}
    events, troubles = read_bytes(pack(hostile), "bad.zip")
    assert not list(tmp_path.iterdir())
    assert len(events) == len(hostile)
    assert not troubles
    assert all(e.file.isprintable() for e in events)


def test_links_and_devices_in_a_tar_are_left_out() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "/etc/passwd")):
            info = tarfile.TarInfo(f"link{kind!r}")
            info.type, info.linkname = kind, target
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("fifo"))
    events, _ = read_bytes(out.getvalue())
    assert not events


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "zip", "7z", "tar.gz"])
def test_a_bomb_is_stopped_by_its_ratio(packing: str) -> None:
    limits = Limits(ratio=50, floor=100_000)
    bomb = PACKINGS[packing](LOG + b" " * 5_000_000)
    _, troubles = read_bytes(bomb, limits=limits)
    assert any("times its size" in str(t.what) for t in troubles)


def test_a_bomb_is_stopped_by_its_total_over_many_members() -> None:
    files = {f"{n}.json": os.urandom(10_000).hex().encode() for n in range(20)}
    _, troubles = read_bytes(as_zip(files), limits=Limits(total=100_000))
    assert any("unpacks to more than" in str(t.what) for t in troubles)


def test_a_bomb_of_many_files_is_stopped() -> None:
    events, troubles = read_bytes(
        as_zip({f"{n}.json": LOG for n in range(20)}), limits=Limits(members=10)
    )
    assert len(events) == 10
    assert any("more than 10 files" in str(t.what) for t in troubles)


def test_archives_deeper_than_allowed_are_told() -> None:
    content = LOG
    for _ in range(6):
        content = gzip.compress(content)
    events, troubles = read_bytes(content, limits=Limits(depth=4))
    assert not events
    assert [str(t.what) for t in troubles] == ["Archives lie in it more than 4 deep."]


def test_encrypted_archives_say_what_to_do() -> None:
    _, troubles = read_bytes(as_seven({"a": LOG}, password="secret"), "a.7z")
    assert [(str(t.what), str(t.hint)) for t in troubles] == [
        ("It is encrypted.", "Unpack it with its password and name the result.")
    ]


def test_folders_are_walked_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "deep" / "a.json").write_bytes(LOG)
    (tmp_path / "logs" / "round").symlink_to(tmp_path)
    (tmp_path / "outside.json").write_bytes(LOG)
    (tmp_path / "logs" / "out").symlink_to(tmp_path / "outside.json")
    os.mkfifo(tmp_path / "logs" / "pipe")
    events, troubles = read_paths(tmp_path / "logs")
    assert [Path(e.file).name for e in events] == ["a.json"]
    assert sorted(Path(t.file).name for t in troubles) == ["out", "pipe", "round"]
    named, _ = read_paths(tmp_path / "logs" / "out")
    assert len(named) == 1


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    events, troubles = read_paths(tmp_path / "none")
    assert not events
    assert "No such file" in str(troubles[0].what)


def test_many_members_of_a_7z_take_one_open_file_and_little_memory() -> None:
    shelf = Shelf(Allowance(), 1_000)
    with shelf:
        places = [shelf.create(f"{number}.log") for number in range(3_000)]
        for turn in range(3):  # blocks side by side: pieces of one lie between those of others
            for number, place in enumerate(places):
                place.write(f"{number} {turn}\n".encode())
        for number in (0, 1, 2_999):
            stream = shelf.places[number][1].open()
            whole = f"{number} 0\n{number} 1\n{number} 2\n".encode()
            assert stream.readline() + stream.read() == whole
            stream.seek(2)
            assert stream.read(4) == whole[2:6]


def test_a_bomb_of_rules_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulesets, "_MOST_BYTES", 1_000_000)
    bomb = tmp_path / "rules.zip"
    bomb.write_bytes(as_zip({f"{number}.yml": b"#" * 400_000 for number in range(9)}))
    faults = rulesets.load([bomb], None).faults
    assert "unpacks to more" in " ".join(str(part) for part in (faults[-1].got, faults[-1].fix))
    assert len(faults) <= 4
