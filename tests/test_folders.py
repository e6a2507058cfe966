"""Files of a folder, where links lead to other folders, to files, to nothing and in circles."""

import os

import pytest

from hrin_plugin.archive.collection import collect
from hrin_plugin.files import visible_files
from hrin_plugin.mixing.sources import find_recordings


def names(folder, **settings):
    """Files below a folder, by their path below it."""
    return [os.path.relpath(path, folder).replace(os.sep, "/") for path in visible_files(folder, **settings)]


@pytest.fixture
def tree(tmp_path):
    """An archive one of whose years lies on another disk."""
    for name in ("archive/2023/b.wav", "archive/2023/.hidden/c.wav", "archive/2023/.d.wav", "archive/a.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "disk/may").mkdir(parents=True)
    (tmp_path / "disk/may/e.wav").touch()
    (tmp_path / "archive/2022").symlink_to(tmp_path / "disk")
    return tmp_path


def test_a_linked_folder_is_looked_into_after_what_is_there(tree):
    assert names(tree / "archive") == ["a.wav", "2023/b.wav", "2022/may/e.wav"]


def test_no_folder_is_looked_into_twice(tree):
    (tree / "archive/2021").symlink_to(tree / "archive/2023")
    (tree / "archive/all").symlink_to(tree / "archive")
    (tree / "disk/back").symlink_to(tree / "archive")
    (tree / "disk/may/again").symlink_to(tree / "disk")
    assert names(tree / "archive") == ["a.wav", "2023/b.wav", "2022/may/e.wav"]


def test_the_folder_itself_may_be_a_link(tree):
    (tree / "link").symlink_to(tree / "archive")
    assert names(tree / "link") == ["a.wav", "2023/b.wav", "2022/may/e.wav"]


def test_links_to_files_and_to_nothing_are_files(tree):
    (tree / "archive/f.wav").symlink_to(tree / "archive/a.wav")
    (tree / "archive/g.wav").symlink_to("nowhere.wav")
    assert names(tree / "archive")[:3] == ["a.wav", "f.wav", "g.wav"]


def test_a_folder_that_is_not_there_is_told_of():
    errors = []
    assert names("nowhere", onerror=errors.append) == names("nowhere") == []
    assert isinstance(errors[0], FileNotFoundError)


def test_detection_and_mixing_find_what_a_link_leads_to(tree):
    found = collect([str(tree / "archive")])
    assert [recording.name for recording in found.recordings] == ["a", "2023/b", "2022/may/e"]
    assert [recording.name for recording in find_recordings("music", tree / "archive")] == [
        "2022/may/e.wav",
        "2023/b.wav",
        "a.wav",
    ]
