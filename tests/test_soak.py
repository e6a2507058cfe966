"""The soak test, so small that it takes seconds: every part judges what it makes."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def soak(monkeypatch):
    """The script, imported as it is run: what lies beside it can be imported."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    specification = importlib.util.spec_from_file_location("soak", BENCHMARKS / "soak.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def parts(monkeypatch):
    """Replaces parts by tries of which the verdicts are known."""

    def replace(**verdicts):
        for name, found in verdicts.items():
            module = type(sys)(f"soak_parts.{name}")
            module.verdicts = lambda folder, scale, seed, found=found: iter(found)
            monkeypatch.setitem(sys.modules, f"soak_parts.{name}", module)

    return replace


def test_the_table_counts_each_kind_and_what_is_wrong_fails(soak, parts, tmp_path, capsys):
    parts(long_day=[("right", ""), ("reported", "a")], damages=[("lost", "b: gone"), ("silently wrong", "c")])
    assert soak.main(["--parts=long_day", f"--json={tmp_path / 'rows.json'}"]) is False
    assert soak.main(["--parts=long_day,damages", f"--json={tmp_path / 'rows.json'}"]) is True
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [[row[kind] for kind in ("tried", *soak.KINDS)] for row in rows] == [
        [2, 1, 1, 0, 0],
        [2, 0, 0, 1, 1],
    ]
    said = capsys.readouterr().out
    assert "damages: lost: b: gone\n" in said and said.count("tried   right  reported  silently wrong") == 2


def test_a_part_that_fails_is_told_and_fails(soak, parts, capsys):
    def fail():
        yield "right", ""
        raise RuntimeError("no\nroom")

    parts(long_day=fail(), damages=[("right", "")])
    assert soak.main(["--parts=long_day,damages"]) is True
    assert "FAILED: RuntimeError: no" in capsys.readouterr().out


def test_an_unknown_part_is_refused(soak, capsys):
    with pytest.raises(SystemExit):
        soak.main(["--parts=none"])
    assert "unknown part 'none'; use some of kills_detect, kills_train" in capsys.readouterr().err


def test_short_and_bad_files_are_judged(soak, tmp_path, monkeypatch):
    """By the command itself, in this process."""
    from hrin_plugin import cli
    from soak_parts import short_files

    def detect(*arguments, folder):
        monkeypatch.chdir(folder)
        errors, before = [], sys.stderr
        sys.stderr = type(
            "Text", (), {"write": lambda _, text: errors.append(text), "flush": lambda _: None}
        )()
        try:
            arguments = [str(word) for word in arguments if word not in ("--jobs", "2")]
            status = cli.main(["detect", *arguments])
        finally:
            sys.stderr = before
        return type("Done", (), {"returncode": status, "stderr": "".join(errors)})

    monkeypatch.setattr(short_files, "detect", detect)
    verdicts = list(short_files.verdicts(str(tmp_path), 0.0, seed=1))
    kinds = [kind for kind, _ in verdicts]
    assert [why for kind, why in verdicts if kind in ("silently wrong", "lost")] == []
    assert kinds.count("reported") == 25 and kinds.count("right") == 25


def test_a_wrong_or_missing_result_is_seen(soak, tmp_path):
    from soak_parts import kills_detect

    (tmp_path / "a.tsv").write_text("0\t1\tmusic\n")
    true = {"a.tsv": b"0\t1\tmusic\n", "b.tsv": b""}
    assert kills_detect._judge(tmp_path, true, -9) == ("right", "")
    assert kills_detect._judge(tmp_path, true, 1)[0] == "lost"
    assert kills_detect._judge(tmp_path, {"a.tsv": b""}, -9)[0] == "silently wrong"
    (tmp_path / ".hrin-draft-0.tsv").touch()
    assert [kind for kind, _ in kills_detect._judge_end(tmp_path, true)] == ["lost", "silently wrong"]


def test_a_shift_or_a_missing_end_of_a_long_result_is_seen(soak):
    from soak_parts import long

    events = [(0.0, 40.0, "fg-music"), (40.0, 70.0, "no-music"), (70.0, 100.0, "fg-music")]
    of_last = [(0.0, 20.0, "no-music"), (20.0, 50.0, "fg-music")]
    assert long._agreement(events, of_last, begins_s=50.0, last_s=50.0) == 1.0
    shifted = [(onset + 10, offset + 10, label) for onset, offset, label in events]
    assert long._agreement(shifted, of_last, 50.0, 50.0) < 0.9
    assert long._agreement(events[:2], of_last, 50.0, 50.0) == 0.0
    written = []
    assert long.repeat(np.arange(5), 12, written.append).tolist() == [2, 3, 4, 0, 1]
    assert sum(map(len, written)) == 12


def test_wav_headers_tell_the_size_they_are_told(soak, tmp_path):
    import soundfile

    from soak_parts import big_wav

    samples = bytes(big_wav.BYTES_A_SECOND)
    path = tmp_path / "a.wav"
    path.write_bytes(big_wav._header(len(samples)) + samples)
    assert soundfile.info(path).duration == 1.0
    assert big_wav.SIZE_FIELDS["wrapped"](2**32 + 8) == 8
