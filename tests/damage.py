"""What may happen to a file of a checkpoint."""

import shutil

import torch


def missing(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def random_bytes(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def wrong_object(path):
    if path.suffix == ".yaml" or path.read_bytes()[:2] != b"PK":
        path.write_text("[1, 2, 3]\n")
    else:
        torch.save({"weights": [1.0]}, path)


def folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = (missing, empty, truncated, random_bytes, wrong_object, folder)


def copy(source, target):
    """A copy of a run's folder, to damage."""
    return shutil.copytree(source, target, ignore=shutil.ignore_patterns(".lock"))
