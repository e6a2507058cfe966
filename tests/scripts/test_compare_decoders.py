"""The recipe's table of decoders, out of a run that the recipe itself made."""

import json
import shutil
import sys

import pytest

import train
from compare_decoders import DECODERS, main


@pytest.fixture(scope="module")
def run(miniature, tmp_path_factory):
    """A results folder with one run of one epoch."""
    results = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        # SpeechBrain takes the excepthook over.
        patch.setattr(sys, "excepthook", sys.excepthook)
        flags = ["--number_of_epochs=1", "--device=cpu", "--noprogressbar", "--lr=0.001"]
        train.main(
            ["hparams/hrin_cr.yaml", f"--data_folder={miniature}", f"--results_folder={results}", *flags]
        )
    return results / "hrin_cr/fold_0/seed_0"


def options(miniature, run):
    return [f"--data_folder={miniature}", f"--results_folder={run.parents[2]}"]


def rows_of(text):
    """Cells of the printed table by row and column."""
    table = [line.strip("| \n").split("|") for line in text.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line] for line in table]
    return {row[0]: dict(zip(header[1:], row[1:])) for row in rows}


def test_each_decoder_is_a_row_and_the_papers_has_the_runs_own_scores(miniature, run, capsys):
    assert main([*options(miniature, run), str(run)]) == 0
    printed = capsys.readouterr().out
    rows = rows_of(printed)
    assert list(rows) == list(DECODERS)
    scores = json.loads((run / "results.json").read_text())["scores"]
    paper = rows["threshold 0.5 (paper)"]
    for task in ("md", "mrle"):
        assert float(paper[f"{task} accuracy"]) == pytest.approx(
            scores[task]["segment"]["accuracy"], abs=0.01
        )
    assert f"Tuned on the validation fold of {run}" in printed
    assert "- viterbi, switching cost" in printed


def test_several_runs_make_one_table(miniature, run, capsys):
    assert main([*options(miniature, run), str(run)]) == 0
    once = rows_of(capsys.readouterr().out)
    assert main([*options(miniature, run), str(run), str(run)]) == 0
    assert rows_of(capsys.readouterr().out) == once


def test_a_folder_without_a_finished_run_is_named(miniature, run, tmp_path, capsys):
    assert main([*options(miniature, run), str(tmp_path)]) == 1
    assert f"error: {tmp_path}/pretrained holds no model.json" in capsys.readouterr().err
    shutil.copytree(run / "pretrained", tmp_path / "pretrained")
    assert main([*options(miniature, run), str(tmp_path)]) == 1
    assert f"error: {tmp_path}/settings.json does not tell the run's settings" in capsys.readouterr().err
