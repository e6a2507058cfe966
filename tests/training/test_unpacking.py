"""Data sets in zip files: of every maker, unpacked once, whole or not at all, and nowhere else."""

import os
import re
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from hrin_plugin.training import unpacking
from hrin_plugin.training.unpacking import unpacked

FILES = {"set/audio/a.wav": b"RIFF" + bytes(range(256)) * 40, "set/annotations/a.tsv": b"no-music\n"}


def make(path, files=FILES, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def rename_in(path, old, new):
    """Change a name in the zip file to another of the same length, whatever it is."""
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != unpacking.DONE_FILE
    }


def of_windows(path):
    """Backslashes, as some programs of Windows write."""
    rename_in(make(path), b"set/audio/a.wav", rb"set\audio\a.wav")
    return rename_in(path, b"set/annotations/a.tsv", rb"set\annotations\a.tsv")


def of_macos(path):
    more = {"__MACOSX/set/._a.wav": b"\0\5\x16\7", "set/.DS_Store": b"\0", "set/audio/._a.wav": b"\0"}
    return make(path, FILES | more)


def with_accents(path):
    """UTF-8 without the flag that tells so, as macOS writes."""
    make(path, {**FILES, "set/audio/cafXX.wav": b"RIFF"})
    return rename_in(path, b"cafXX", "caf\u00e9".encode())


def with_folders(path):
    return make(path, {"set/": b"", "set/audio/": b"", **FILES})


def with_link(path):
    """A link is not followed, and not made."""
    make(path)
    with zipfile.ZipFile(path, "a") as file:
        link = zipfile.ZipInfo("set/passwords")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    return path


@pytest.mark.parametrize("maker", [make, of_windows, of_macos, with_accents, with_folders, with_link])
def test_zip_files_of_every_maker_give_the_files(tmp_path, maker):
    folder = unpacked(maker(tmp_path / "set.zip"), tmp_path / "prepared")
    found = content_of(folder)
    if maker is with_accents:
        assert found.pop("set/audio/caf\u00e9.wav") == b"RIFF"
    assert found == FILES and folder.is_relative_to(tmp_path / "prepared")


@pytest.mark.parametrize(
    "name", ["../../evil.tsv", "/tmp/evil/a.tsv", "set/../../a.tsv", r"..\..\evil.tsv", "C:/evil.tsv"]
)
def test_a_name_that_lies_outside_is_refused(tmp_path, name):
    path = make(tmp_path / "set.zip", {**FILES, "x" * len(name): b"evil"})
    rename_in(path, b"x" * len(name), name.encode())
    with pytest.raises(
        ValueError, match="set.zip: holds .* which lies outside of it; nothing of it is unpacked"
    ):
        unpacked(path, tmp_path / "prepared")
    assert not any("evil" in name or name == "a.tsv" for *_, names in os.walk(tmp_path) for name in names)
    assert not (tmp_path / "prepared/unpacked").exists()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-60])


def overwritten(path):
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)


def encrypted(path):
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for place in (match.start() for match in re.finditer(re.escape(mark), bytes(content))):
            content[place + at] |= 1
    path.write_bytes(content)


def of_explorer(path):
    """Deflate64, which Windows uses for large files."""
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        for place in (match.start() for match in re.finditer(re.escape(mark), bytes(content))):
            struct.pack_into("<H", content, place + at, 9)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, r"set.zip: is cut short or no zip file; copy or download it again"),
        (overwritten, r"set.zip: is damaged \(.*\); copy or download it again"),
        (encrypted, r"set.zip: needs a password; unpack it, and name the folder"),
        (of_explorer, r"set.zip: cannot be unpacked \(.*\); unpack it, and name the folder"),
        (lambda path: path.write_bytes(b""), r"set.zip: is cut short or no zip file"),
    ],
)
def test_a_zip_file_that_cannot_be_used_is_one_sentence(tmp_path, damage, message):
    path = make(tmp_path / "set.zip")
    damage(path)
    for _ in range(2):
        with pytest.raises(ValueError, match=message) as refusal:
            unpacked(path, tmp_path / "prepared")
        assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["set.tar.gz", "set.7z", "show.mp3"])
def test_another_file_is_no_folder(tmp_path, name):
    (tmp_path / name).write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=f"{name}: is no folder; unpack it if it is an archive, or name"):
        unpacked(tmp_path / name, tmp_path / "prepared")


@pytest.mark.parametrize("data", [None, "", "nowhere"])
def test_what_is_no_file_stays(tmp_path, data):
    assert unpacked(data, tmp_path) == data and unpacked(tmp_path, tmp_path) == tmp_path


def test_it_is_unpacked_once_and_anew_when_it_has_changed(tmp_path, monkeypatch):
    path = make(tmp_path / "set.zip")
    folder = unpacked(path, tmp_path / "prepared")
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", None)
        assert unpacked(path, tmp_path / "prepared") == folder
    make(path, {"set/audio/b.wav": b"other"})
    assert unpacked(path, tmp_path / "prepared") == folder
    assert content_of(folder) == {"set/audio/b.wav": b"other"}


def test_two_zip_files_of_one_name_stay_apart(tmp_path):
    (tmp_path / "other").mkdir()
    places = [make(tmp_path / "set.zip"), make(tmp_path / "other/set.zip", {"b.wav": b"b"})]
    folders = [unpacked(path, tmp_path / "prepared") for path in places]
    assert [content_of(folder) for folder in folders] == [FILES, {"b.wav": b"b"}]


@pytest.mark.parametrize("n_whole", [0, 1])
def test_an_interrupted_unpacking_goes_on(tmp_path, monkeypatch, n_whole):
    """What is there and whole is not written again; what was cut short is."""
    path, written = make(tmp_path / "set.zip"), []
    replace = os.replace

    def count(old, new):
        written.append(Path(new).name)
        if len(written) == n_whole + 1:
            raise KeyboardInterrupt
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(unpacking.os, "replace", count)
        with pytest.raises(KeyboardInterrupt):
            unpacked(path, tmp_path / "prepared")
    del written[:]
    with monkeypatch.context() as patch:
        patch.setattr(
            unpacking.os, "replace", lambda old, new: (written.append(Path(new).name), replace(old, new))
        )
        folder = unpacked(path, tmp_path / "prepared")
    assert [name for name in written if name in ("a.wav", "a.tsv")] == ["a.wav", "a.tsv"][n_whole:]
    assert content_of(folder) == FILES


def test_a_file_of_the_right_size_and_other_bytes_is_written_again(tmp_path):
    path = make(tmp_path / "set.zip")
    folder = unpacked(path, tmp_path / "prepared")
    (folder / unpacking.DONE_FILE).unlink()
    (folder / "set/annotations/a.tsv").write_bytes(bytes(9))
    assert content_of(unpacked(path, tmp_path / "prepared")) == FILES


def test_a_disk_that_is_too_small_is_told_before(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        OSError, match=r"set.zip: needs 0.0 GB unpacked, and 0.0 GB are free in .*; make room, or"
    ):
        unpacked(make(tmp_path / "set.zip"), tmp_path / "prepared")
    assert not [*(tmp_path / "prepared").rglob("*.wav")]
