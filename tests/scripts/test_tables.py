"""The paper's tables: its numbers, ours out of results files, their statistics and their forms."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from hrin_plugin.training.results import write_results
from hrin_plugin.training.settings import comparable, read_hparams
from paper.published import load_paper_tables, select_tables
from paper.runs import ResultsError, read_runs
from paper.statistics import best_rows, compare
from paper.text import CSV_FIELDS, to_csv, to_latex, to_markdown
from tables import main

RECIPE = Path(__file__).parents[2] / "recipes/OpenBMAT"
MD = ["Acc", "Music_F", "Non-Music_F", "Music_F_500_on", "Non-Music_F_500_on"]
MRLE = ["Acc", "Fg-Music_F", "Bg-Music_F", "Non-Music_F"]
MRLE += ["Fg-Music_F_500_on", "Bg-Music_F_500_on", "Non-Music_F_500_on"]
METHODS = ["MMG [2]", "LSTM", "GRU", "CNN-GRU", "HRIN-r (LSTM)", "HRIN-r (proposed)", "HRIN-cr (proposed)"]
PENALTIES = ["without L^no, L^fg, L^bg", "without L^fg, L^bg", "without L^no", "HRIN-r"]
CONCATENATIONS = ["HRIN-cr (concate after conv)", "HRIN-cr (concate before fc)", "HRIN-cr"]
FACTORS = ["(0.5, 0.5, 0.5)", "(0.8, 0.8, 0.6)", "(1.0, 1.0, 1.0)"]
FACTORS += ["(1.1, 1.1, 1.0)", "(1.3, 1.3, 0.7)", "(1.5, 1.5, 1.1)"]
SHAPES = {
    "I": (METHODS, MD),
    "II": (METHODS, MRLE),
    "III": (PENALTIES, MD),
    "IV": (PENALTIES, MRLE),
    "V": (CONCATENATIONS, MD),
    "VI": (CONCATENATIONS, MRLE),
    "VII": (FACTORS, MD),
    "VIII": (FACTORS, MRLE),
}

# Typed from the paper's pages, not from the data file.
SPOTS = [
    ("I", "MMG [2]", "Acc", 0.8895, None),
    ("I", "LSTM", "Music_F", 0.8054, 0.029),
    ("I", "HRIN-r (proposed)", "Music_F_500_on", 0.4037, 0.0591),
    ("I", "HRIN-cr (proposed)", "Non-Music_F_500_on", 0.3079, 0.0552),
    ("II", "MMG [2]", "Bg-Music_F", 0.7728, None),
    ("II", "CNN-GRU", "Bg-Music_F_500_on", 0.1644, 0.0175),
    ("II", "HRIN-r (LSTM)", "Non-Music_F", 0.8599, 0.0122),
    ("II", "HRIN-cr (proposed)", "Fg-Music_F", 0.7363, 0.0430),
    ("III", "without L^no, L^fg, L^bg", "Acc", 0.8663, 0.0182),
    ("III", "without L^fg, L^bg", "Music_F_500_on", 0.3462, 0.0404),
    ("III", "without L^no", "Non-Music_F_500_on", 0.3216, 0.0305),
    ("IV", "without L^no, L^fg, L^bg", "Fg-Music_F", 0.7247, 0.0543),
    ("IV", "without L^fg, L^bg", "Bg-Music_F_500_on", 0.3164, 0.0254),
    ("IV", "without L^no", "Acc", 0.8785, 0.0089),
    ("V", "HRIN-cr (concate after conv)", "Non-Music_F_500_on", 0.3658, 0.0265),
    ("V", "HRIN-cr (concate before fc)", "Music_F", 0.8528, 0.0324),
    ("V", "HRIN-cr", "Acc", 0.8929, 0.0110),
    ("VI", "HRIN-cr (concate after conv)", "Acc", 0.8778, 0.0080),
    ("VI", "HRIN-cr (concate before fc)", "Fg-Music_F_500_on", 0.2175, 0.0680),
    ("VI", "HRIN-cr", "Non-Music_F_500_on", 0.4578, 0.0518),
    ("VII", "(0.5, 0.5, 0.5)", "Non-Music_F_500_on", 0.3189, 0.0033),
    ("VII", "(1.1, 1.1, 1.0)", "Music_F", 0.8581, 0.0321),
    ("VII", "(1.5, 1.5, 1.1)", "Non-Music_F_500_on", 0.3993, 0.0106),
    ("VIII", "(0.5, 0.5, 0.5)", "Fg-Music_F", 0.6882, 0.0850),
    ("VIII", "(0.8, 0.8, 0.6)", "Fg-Music_F_500_on", 0.3579, 0.0236),
    ("VIII", "(1.3, 1.3, 0.7)", "Bg-Music_F", 0.7470, 0.0185),
]


def document(value, task_classes=(("md", ["music"]), ("mrle", ["fg-music", "bg-music"]))):
    """Scores as ``training.results.score`` gives them; ``value(task, level, class)`` gives each."""
    scores = {}
    for task, labels in task_classes:
        of = {
            level: {label: {"f_measure": value(task, level, label)} for label in [*labels, "no-music"]}
            for level in ("segment", "event")
        }
        scores[task] = {
            "segment": {"accuracy": value(task, "segment", None), "classes": of["segment"]},
            "event": {"500ms_onset": {"classes": of["event"]}},
        }
    return scores


def put_run(folder, experiment, fold, value, seed=0, settings=()):
    """Write a run's results; ``value`` is every score, or a function of task, level and class."""
    path = folder / experiment / f"fold_{fold}/seed_{seed}/results.json"
    path.parent.mkdir(parents=True)
    settings = {"fold": fold, "seed": seed, "annotator": "a", "md_from": "mrle", **dict(settings)}
    write_results(path, document(value if callable(value) else lambda *_: value), settings)
    return path


def fill(folder, number):
    """A table of the runs in a folder."""
    tables = select_tables(number)
    return compare(tables[0], read_runs(folder, tables))


def cells_of(comparison, experiment):
    """Our cells of an experiment's row by column name."""
    table = comparison.table
    row = [row.experiment for row in table.rows].index(experiment)
    return {column.name: score for column, score in zip(table.columns, comparison.scores[row])}


def refusal(capsys, *arguments):
    """What the command says when it refuses, in one go."""
    assert main([str(argument) for argument in arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


# The paper's numbers


@pytest.mark.parametrize("number", SHAPES)
def test_rows_and_columns_are_the_papers(number):
    rows, columns = SHAPES[number]
    table = load_paper_tables()[number]
    assert [row.name for row in table.rows] == rows
    assert [column.name for column in table.columns] == columns
    assert all(len(row.cells) == len(columns) for row in table.rows)


@pytest.mark.parametrize(("number", "row", "column", "mean", "std"), SPOTS)
def test_a_published_number_is_as_printed(number, row, column, mean, std):
    rows, columns = SHAPES[number]
    cell = load_paper_tables()[number].rows[rows.index(row)].cells[columns.index(column)]
    assert (cell.mean, cell.std) == (mean, std)


def test_only_mmg_lacks_events_and_deviations():
    for table in load_paper_tables().values():
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells):
                if row.experiment != "mmg":
                    assert 0 < cell.std < 0.1 < cell.mean < 1
                elif column.level == "Event-level":
                    assert cell is None
                else:
                    assert cell.std is None


def test_hrin_r_and_hrin_cr_have_the_same_numbers_in_every_table():
    for experiment in ("hrin_r", "hrin_cr"):
        for task in ("md", "mrle"):
            printed = {
                tuple(cell[:2] for cell in row.cells)
                for table in load_paper_tables().values()
                for row in table.rows
                if (table.task, row.experiment) == (task, experiment)
            }
            assert len(printed) == 1


def test_bold_face_is_the_papers_where_the_text_tells():
    tables = load_paper_tables()
    bold = [[cell.bold for cell in row.cells] for row in tables["IV"].rows]
    assert bold[2] == [True, False, False, True, False, True, False]
    assert bold[3] == [True] * 7
    assert [cell.bold for cell in tables["I"].rows[6].cells] == [True, True, True, False, False]


def test_every_row_has_its_hyperparameter_file():
    experiments = {row.experiment for table in load_paper_tables().values() for row in table.rows}
    assert len(experiments) == 17
    assert experiments <= {path.stem for path in (RECIPE / "hparams").glob("*.yaml")}


# Means, deviations, counts


def test_a_cell_is_mean_and_deviation_over_folds_of_means_over_seeds(tmp_path):
    values = np.random.default_rng(0).uniform(0.3, 0.9, (4, 3))
    for fold, seed in np.ndindex(values.shape):
        put_run(tmp_path, "hrin_cr", fold, float(values[fold, seed]), seed)
    score = cells_of(fill(tmp_path, "VI"), "hrin_cr")["Bg-Music_F"]
    assert score.mean == pytest.approx(values.mean(axis=1).mean(), abs=1e-12)
    assert score.std == pytest.approx(values.mean(axis=1).std(ddof=1), abs=1e-12)
    assert (score.n_runs, score.n_folds, score.n_absent) == (12, 4, 0)


def test_a_fold_weighs_the_same_however_many_seeds_it_has(tmp_path):
    for seed in range(3):
        put_run(tmp_path, "hrin_cr", 0, 0.2, seed)
    put_run(tmp_path, "hrin_cr", 1, 0.8)
    score = cells_of(fill(tmp_path, "V"), "hrin_cr")["Acc"]
    assert score.mean == pytest.approx(0.5)
    assert score.std == pytest.approx(np.std([0.2, 0.8], ddof=1))


def test_each_column_takes_its_own_score(tmp_path):
    keys = {
        "Acc": ("md", "segment", None),
        "Music_F": ("md", "segment", "music"),
        "Non-Music_F": ("md", "segment", "no-music"),
        "Music_F_500_on": ("md", "event", "music"),
        "Non-Music_F_500_on": ("md", "event", "no-music"),
    }
    values = {key: 0.1 + 0.1 * index for index, key in enumerate(keys.values())}
    put_run(tmp_path, "hrin_cr", 0, lambda *key: values.get(key, 0.9))
    cells = cells_of(fill(tmp_path, "V"), "hrin_cr")
    assert {name: score.mean for name, score in cells.items()} == {
        name: values[key] for name, key in keys.items()
    }
    assert {score.mean for score in cells_of(fill(tmp_path, "VI"), "hrin_cr").values()} == {0.9}


def test_an_absent_class_is_left_out_and_counted(tmp_path):
    for fold, music in enumerate([0.4, None, 0.6]):
        put_run(tmp_path, "hrin_cr", fold, lambda _, __, label, m=music: m if label == "music" else 0.5)
    comparison = fill(tmp_path, "V")
    score = cells_of(comparison, "hrin_cr")["Music_F"]
    assert score.mean == pytest.approx(0.5)
    assert (score.n_runs, score.n_folds, score.n_absent) == (2, 2, 1)
    assert cells_of(comparison, "hrin_cr")["Acc"].n_absent == 0
    assert "| 2, 1 absent " in to_markdown([comparison])


def test_a_class_absent_everywhere_is_said_to_be_absent(tmp_path):
    put_run(tmp_path, "hrin_cr", 0, lambda _, __, label: None if label == "music" else 0.5)
    score = cells_of(fill(tmp_path, "V"), "hrin_cr")["Music_F"]
    assert (score.mean, score.state, score.n_absent) == (None, "absent", 1)


def test_one_run_has_no_deviation_and_nothing_is_bold(tmp_path):
    put_run(tmp_path, "hrin_cr", 7, 0.75)
    comparison = fill(tmp_path, "V")
    for score in cells_of(comparison, "hrin_cr").values():
        assert (score.mean, score.std, score.n_runs, score.bold) == (0.75, None, 1, False)
    ours = next(line for line in to_markdown([comparison]).splitlines() if line.startswith("| HRIN-cr  "))
    assert [cell.strip() for cell in ours.split("|")[2:-1]] == ["ours", *["0.7500"] * 5]


def test_missing_runs_are_called_missing_and_listed(tmp_path):
    for fold in (0, 2, 3, 4, 5, 6, 7, 8):
        put_run(tmp_path, "hrin_cr", fold, 0.5)
    comparison = fill(tmp_path, "V")
    assert {score.state for score in comparison.scores[0]} == {"missing"}
    text = to_markdown([comparison])
    assert "Without any run: hrin_cr_concat_after_conv, hrin_cr_concat_before_fc." in text
    assert "Not run: hrin_cr on fold 1, 9." in text
    assert "nan" not in text.lower()


def test_a_complete_table_lists_nothing_as_missing(tmp_path):
    for experiment in ("hrin_cr", "hrin_cr_concat_after_conv", "hrin_cr_concat_before_fc"):
        for fold in range(10):
            put_run(tmp_path, experiment, fold, 0.5)
    text = to_markdown([fill(tmp_path, "V")])
    assert "Not run" not in text and "Without any run" not in text and "missing" not in text


# Bold


def folds(values):
    return dict(enumerate(values))


def test_bold_agrees_with_a_t_test_by_hand():
    rng = np.random.default_rng(1)
    n_both = 0
    for _ in range(200):
        best, other = rng.normal(0.6, 0.05, 10), rng.normal(0.57, 0.05, 10)
        if best.mean() < other.mean():
            best, other = other, best
        delta = best - other
        t = delta.mean() / (delta.std(ddof=1) / np.sqrt(10))
        is_worse = 2 * stats.t.sf(t, df=9) < 0.05
        assert best_rows([folds(other), folds(best)]) == ({1} if is_worse else set())
        n_both += is_worse
    assert 20 < n_both < 180  # both verdicts were put to the test


def test_a_row_close_to_the_best_is_bold_beside_it():
    best, close, low = [0.9, 0.8, 0.9, 0.8], [0.8, 0.9, 0.8, 0.89], [0.5, 0.4, 0.5, 0.41]
    assert stats.ttest_rel(best, close).pvalue > 0.05 > stats.ttest_rel(best, low).pvalue
    assert best_rows([folds(low), folds(close), folds(best)]) == {1, 2}


def test_nothing_is_bold_where_no_row_is_worse():
    assert best_rows([folds([0.5, 0.7]), folds([0.7, 0.5])]) == set()
    assert best_rows([folds([0.5, 0.7, 0.6]), folds([0.5, 0.7, 0.6])]) == set()


def test_a_constant_advantage_leaves_nothing_to_chance():
    assert best_rows([folds([0.5, 0.75, 1.0]), folds([0.25, 0.5, 0.75])]) == {0}


def test_only_folds_in_common_are_paired():
    best = {0: 0.9, 1: 0.91, 2: 0.9, 3: 0.92}
    worse = {1: 0.51, 2: 0.52, 3: 0.5, 8: 0.99}
    lonely = {3: 0.9, 9: 0.1}  # one fold in common: neither better nor worse
    assert best_rows([best, worse, lonely, {}]) == {0}
    assert best_rows([best, lonely]) == set()
    assert best_rows([{}, {}]) == set()


def test_bold_reaches_the_cells_and_every_format(tmp_path):
    jitter = np.random.default_rng(2).normal(0, 0.002, (2, 10))
    for fold in range(10):
        put_run(tmp_path, "hrin_cr", fold, float(0.8 + jitter[0, fold]))
        put_run(tmp_path, "hrin_cr_concat_after_conv", fold, float(0.7 + jitter[1, fold]))
    comparison = fill(tmp_path, "V")
    assert all(score.bold for score in cells_of(comparison, "hrin_cr").values())
    assert not any(score.bold for score in cells_of(comparison, "hrin_cr_concat_after_conv").values())
    mean = f"{0.8 + jitter[0].mean():.4f}"
    assert f"**{mean}** ± " in to_markdown([comparison])
    assert rf"\textbf{{{mean}}} $\pm$ " in to_latex([comparison])


# Formats


@pytest.fixture
def some(tmp_path):
    """Runs of some rows on two folds, scores apart for each."""
    folder = tmp_path / "results"
    for index, experiment in enumerate(["mmg", "gru", "hrin_r", "hrin_cr"]):
        for fold in range(2):
            put_run(folder, experiment, fold, 0.5 + 0.05 * index + 0.01 * fold * (index + 1))
    return folder


def test_markdown_has_every_cell_and_equal_columns(some):
    tables = select_tables()
    runs = read_runs(some, tables)
    text = to_markdown([compare(table, runs) for table in tables])
    sections = text.split("## Table ")[1:]
    assert [section.split(".")[0] for section in sections] == list(SHAPES)
    for section, (rows, columns) in zip(sections, SHAPES.values()):
        lines = [line for line in section.splitlines() if line.startswith("|")]
        assert len({len(line) for line in lines}) == 1
        grid = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        assert all(len(line) == len(columns) + 2 for line in grid)
        assert grid[0][2:] == columns
        assert [line[0] for line in grid[2::4]] == rows
        assert [line[1] for line in grid[2:]] == ["ours", "paper", "difference", "runs"] * len(rows)


def test_markdown_shows_ours_the_papers_difference_and_runs(some):
    lines = to_markdown([fill(some, "I")]).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| HRIN-r (proposed)"))
    acc = [line.split("|")[3].strip() for line in lines[start : start + 4]]
    # Folds 0.60 and 0.63; 0.615 - 0.8766 = -0.2616.
    assert acc == ["0.6150 ± 0.0212", "0.8766 ± 0.0114", "-0.2616", "2"]
    mmg = next(number for number, line in enumerate(lines) if line.startswith("| MMG"))
    assert [line.split("|")[6].strip() for line in lines[mmg : mmg + 4]] == ["0.5050 ± 0.0071", "-", "-", "2"]


def test_csv_has_a_line_for_each_cell_and_full_numbers(some):
    tables = select_tables()
    runs = read_runs(some, tables)
    lines = list(csv.DictReader(io.StringIO(to_csv([compare(table, runs) for table in tables]))))
    assert len(lines) == sum(len(rows) * len(columns) for rows, columns in SHAPES.values())
    assert all(list(line) == list(CSV_FIELDS) and None not in line.values() for line in lines)
    by_key = {(line["table"], line["row"], line["column"]): line for line in lines}
    cell = by_key["VII", "(1.0, 1.0, 1.0)", "Music_F_500_on"]
    assert (cell["experiment"], cell["runs"], cell["state"]) == ("hrin_r", "2", "scored")
    assert float(cell["mean"]) == pytest.approx(0.615, abs=1e-12)
    assert float(cell["difference"]) == pytest.approx(0.615 - 0.4037, abs=1e-12)
    missing = by_key["II", "LSTM", "Acc"]
    assert (missing["state"], missing["mean"], missing["bold"], missing["runs"]) == ("missing", "", "", "0")
    assert by_key["I", "MMG [2]", "Music_F_500_on"]["paper_mean"] == ""


def test_latex_is_balanced_and_plain(some):
    tables = select_tables()
    runs = read_runs(some, tables)
    text = to_latex([compare(table, runs) for table in tables])
    assert text.isascii()
    depth = 0
    for character in re.sub(r"\\[{}]", "", text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert text.replace(r"\$", "").count("$") % 2 == 0
    assert re.findall(r"\\begin{(\w+\*?)}", text) == ["table*", "tabular"] * 8
    assert re.findall(r"\\end{(\w+\*?)}", text) == ["tabular", "table*"] * 8
    bodies = re.findall(r"\\begin{tabular}{(l+c+)}(.*?)\\end{tabular}", text, re.DOTALL)
    for (specification, body), (rows, columns) in zip(bodies, SHAPES.values(), strict=True):
        assert specification == "ll" + "c" * len(columns)
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(lines) == 2 + 4 * len(rows)
        assert all(line.count("&") == len(columns) + 1 for line in lines[1:])
        assert sum(map(int, re.findall(r"\\multicolumn{(\d)}", lines[0]))) == len(columns)
        assert not re.search(r"(?<!\\)[_#^%](?![{])", body)
    assert r"without $L^{no}$, $L^{fg}$, $L^{bg}$ & ours" in text
    assert r"Penalty factors ($\alpha$, $\beta$, $\gamma$)" in text


# The command


def test_the_command_runs_by_itself(some):
    done = subprocess.run(
        [sys.executable, RECIPE / "tables.py", "--results_folder", some, "--tables", "vii"],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("## Table VII.")
    assert "(α, β, γ)" in done.stdout


def test_format_follows_the_ending_unless_it_is_given(some, tmp_path, capsys):
    for name, options, start in [
        ("a/t.csv", [], "table,row"),
        ("t.tex", [], "% Ours"),
        ("t.md", [], "## Table V."),
        ("t.txt", ["--format", "csv"], "table,row"),
    ]:
        arguments = ["--results_folder", some, "--tables", "V", "--output", tmp_path / name, *options]
        assert main([str(argument) for argument in arguments]) == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    assert capsys.readouterr().out == ""


def test_plots_are_drawn_as_png_and_svg_and_the_same_each_time(some, tmp_path):
    for name in ("first", "second"):
        arguments = ["--results_folder", some, "--tables", "V,VI", "--output", tmp_path / "t.md"]
        assert main([str(argument) for argument in [*arguments, "--plots", tmp_path / name]]) == 0
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["table_V.png", "table_V.svg", "table_VI.png", "table_VI.svg"]
    for name in names:
        content = (tmp_path / "first" / name).read_bytes()
        assert content == (tmp_path / "second" / name).read_bytes()
        if name.endswith("png"):
            assert content.startswith(b"\x89PNG")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_bars_are_as_long_as_the_means(some):
    from paper.plots import OURS, PAPER, plot_table

    comparison = fill(some, "VI")
    panels = plot_table(comparison).axes
    assert len(panels) == 7
    for index, panel in enumerate(panels):
        bars = {"ours": [], "paper": []}
        for bar in panel.patches:
            colours = {"ours": OURS, "paper": PAPER}
            name = next(n for n, c in colours.items() if tuple(bytes.fromhex(c[1:])) == _rgb(bar))
            bars[name].append(bar.get_width())
        assert bars["ours"] == [comparison.scores[2][index].mean]  # the only row that was run
        assert bars["paper"] == [row.cells[index].mean for row in comparison.table.rows]
        assert [text.get_text() for text in panel.texts].count("missing") == 2


def _rgb(bar):
    return tuple(round(255 * value) for value in bar.get_facecolor()[:3])


def test_without_matplotlib_the_cure_is_named(some, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "paper.plots", raising=False)
    out = tmp_path / "t.md"
    said = refusal(capsys, "--results_folder", some, "--output", out, "--plots", tmp_path / "plots")
    assert "--plots needs matplotlib" in said and 'pip install ".[plots]"' in said


# Refusals


@pytest.mark.parametrize("numbers", ["IX", "1", "I,,II", ""])
def test_an_unknown_table_is_refused(numbers, capsys):
    assert "is no table of the paper; give some of I,II,III," in refusal(capsys, "--tables", numbers)


def test_an_empty_or_missing_folder_is_refused(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "nowhere"):
        said = refusal(capsys, "--results_folder", folder, "--tables", "V")
        assert f"{folder}: no results.json of hrin_cr_concat_after_conv, " in said
        assert "--results_folder" in said


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: text[: len(text) // 2], "is cut short or not JSON"),
        (lambda text: "", "is cut short or not JSON"),
        (lambda text: "[1]", "has no settings and scores"),
        (lambda text: text.replace('"accuracy": 0.5', '"accuracy": NaN'), "md.segment.accuracy is nan"),
        (lambda text: text.replace('"accuracy": 0.5', '"accuracy": 50'), "md.segment.accuracy is 50"),
        (lambda text: text.replace('"accuracy": 0.5', '"accuracy": "good"'), "accuracy is 'good'"),
        (lambda text: text.replace("500ms_onset", "x"), "has no score md.event.500ms_onset.classes.music"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_cure_and_left(tmp_path, capsys, damage, problem):
    put_run(tmp_path, "hrin_cr", 0, 0.5)
    path = put_run(tmp_path, "hrin_cr", 1, 0.5)
    damaged = damage(path.read_text())
    path.write_text(damaged)
    said = refusal(capsys, "--results_folder", tmp_path, "--tables", "V")
    assert f"{path}: " in said and problem in said and "start the same training again" in said
    assert path.read_text() == damaged


def test_every_damaged_file_is_named_at_once(tmp_path):
    paths = [put_run(tmp_path, "hrin_cr", fold, 0.5) for fold in range(3)]
    for path in paths[1:]:
        path.write_bytes(b"\xff{")
    with pytest.raises(ResultsError) as caught:
        fill(tmp_path, "V")
    assert [fault.split(": ")[0] for fault in caught.value.faults] == [str(path) for path in paths[1:]]


def test_a_damaged_file_of_another_table_does_no_harm(tmp_path):
    put_run(tmp_path, "hrin_cr", 0, 0.5)
    put_run(tmp_path, "hrin_r", 0, 0.5).write_text("{")
    assert cells_of(fill(tmp_path, "V"), "hrin_cr")["Acc"].mean == 0.5


@pytest.mark.parametrize("setting", [{"fold": 3}, {"seed": 3}, {"experiment": "hrin_r"}])
def test_a_run_in_anothers_folder_is_refused(tmp_path, setting):
    path = put_run(tmp_path, "hrin_cr", 0, 0.5, settings=setting)
    (name, value), *_ = setting.items()
    with pytest.raises(ResultsError, match=rf"is of {name} {value!r} by its settings.*move it") as caught:
        fill(tmp_path, "V")
    assert str(path) in str(caught.value)


def test_a_fold_beyond_the_ten_is_refused(tmp_path):
    put_run(tmp_path, "hrin_cr", 10, 0.5)
    with pytest.raises(ResultsError, match="fold 10 is none of the ten, 0 to 9"):
        fill(tmp_path, "V")


def test_runs_of_different_settings_in_one_experiment_are_refused(tmp_path):
    for fold in range(3):
        put_run(tmp_path, "hrin_cr", fold, 0.5, settings={"lr": 0.0001})
    odd = put_run(tmp_path, "hrin_cr", 3, 0.5, settings={"lr": 0.001})
    with pytest.raises(
        ResultsError, match=r"lr is 0.001, but 0.0001 in .*runs of hrin_cr must share it"
    ) as caught:
        fill(tmp_path, "V")
    assert [fault.split(": ")[0] for fault in caught.value.faults] == [str(odd)]


@pytest.mark.parametrize("setting", [{"annotator": "b"}, {"md_from": "mapping"}])
def test_rows_learnt_from_different_annotations_are_refused(tmp_path, setting):
    for fold in range(2):
        put_run(tmp_path, "hrin_cr", fold, 0.5)
    odd = put_run(tmp_path, "hrin_cr_concat_before_fc", 0, 0.5, settings=setting)
    (name, value), *_ = setting.items()
    said = rf"{name} is '{value}', but .*runs of one table must share it"
    with pytest.raises(ResultsError, match=said) as caught:
        fill(tmp_path, "V")
    assert [fault.split(": ")[0] for fault in caught.value.faults] == [str(odd)]


def record(path, **settings):
    """Note a run's settings as train.py does."""
    path.with_name("settings.json").write_text(json.dumps({"fold": 0, "data": "set", **settings}))


def test_settings_noted_beside_the_results_are_compared_too(tmp_path):
    paths = [put_run(tmp_path, "hrin_cr", fold, 0.5) for fold in range(4)]
    for fold, path in enumerate(paths[:3]):
        record(path, fold=fold, lr=0.1 if fold < 2 else 0.2, **({} if fold < 2 else {"precision": "bf16"}))
    said = r"lr is 0.2, but 0.1, precision is 'bf16', but 'not set' in .*runs of hrin_cr must share it"
    with pytest.raises(ResultsError, match=said) as caught:
        fill(tmp_path, "V")
    assert [fault.split(": ")[0] for fault in caught.value.faults] == [str(paths[2])]
    record(paths[2], fold=2, lr=0.1)
    assert cells_of(fill(tmp_path, "V"), "hrin_cr")["Acc"].n_runs == 4  # one of an unknown lr


def test_rows_learnt_from_different_data_are_refused(tmp_path):
    for fold in range(2):
        record(put_run(tmp_path, "hrin_cr", fold, 0.5))
    odd = put_run(tmp_path, "hrin_cr_concat_before_fc", 0, 0.5)
    record(odd, data="miniature")
    with pytest.raises(ResultsError, match="data is 'miniature', but 'set' in .*runs of one table") as caught:
        fill(tmp_path, "V")
    assert [fault.split(": ")[0] for fault in caught.value.faults] == [str(odd)]


def full_settings(experiment, **others):
    """The settings that train.py notes of an experiment as its YAML has it."""
    settings = comparable(read_hparams(RECIPE / f"hparams/{experiment}.yaml", ""))
    return settings | {"data": "OpenBMAT, 1647 recordings (0123456789ab)"} | others


def shown_by(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_data_runs_and_overrides_stand_above_a_table(tmp_path, capsys):
    for fold in (0, 1, 2, 5):
        path = put_run(tmp_path, "hrin_cr", fold, 0.5, seed=fold % 2)
        changed = full_settings("hrin_cr", fold=fold, seed=fold % 2, number_of_epochs=3, precision="bf16")
        path.with_name("settings.json").write_text(json.dumps(changed))
        for number in range(164 + fold % 2):
            (path.parent / "predictions/md").mkdir(parents=True, exist_ok=True)
            (path.parent / f"predictions/md/{number}.tsv").touch()
    path = put_run(tmp_path, "hrin_cr_concat_before_fc", 0, 0.5)
    path.with_name("settings.json").write_text(json.dumps(full_settings("hrin_cr_concat_before_fc")))
    put_run(tmp_path, "hrin_cr_concat_after_conv", 0, 0.5)
    expected = [
        "Data: OpenBMAT, 1647 recordings (0123456789ab), not recorded; annotator a, "
        "music detection from mrle. Recordings in a test fold: 164 to 165.",
        "hrin_cr_concat_after_conv: folds 0, seeds 0, settings not recorded.",
        "hrin_cr_concat_before_fc: folds 0, seeds 0, 40 epochs, as its YAML.",
        "hrin_cr: folds 0-2,5, seeds 0-1, 3 epochs, not as its YAML: number_of_epochs 3 (YAML: 40), "
        "precision bf16 (YAML: absent).",
    ]
    where = ["--results_folder", tmp_path, "--tables", "V"]
    lines = [line for line in shown_by(capsys, *where).splitlines() if line]
    assert lines[0].startswith("## Table V. ") and lines[1:5] == expected
    rows = list(csv.DictReader(io.StringIO(shown_by(capsys, *where, "--format", "csv"))))
    assert {row["about"] for row in rows} == {" ".join(expected)}
    latex = shown_by(capsys, *where, "--format", "latex")
    assert r"number\_of\_epochs 3 (YAML: 40)" in latex.split(r"\begin{tabular}")[0]
    pytest.importorskip("matplotlib")
    from paper.plots import plot_table

    title = plot_table(fill(tmp_path, "V")).get_suptitle().replace("\n", " ")
    assert all(sentence in title for sentence in expected)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"data": "miniature"}, "was trained on synthetic sound"),
        ({"data": "160 synthetic recordings (0123456789ab)"}, "was trained on synthetic sound"),
        ({"debug": True, "debug_persistently": True}, "was made with --debug"),
    ],
)
def test_trials_need_an_option_and_are_called_so(tmp_path, capsys, others, reason):
    path = put_run(tmp_path, "hrin_cr", 0, 0.5)
    path.with_name("settings.json").write_text(json.dumps(full_settings("hrin_cr", **others)))
    (path.parent / "train_log.txt").write_text("epoch: 1, lr: 1e-4 - train loss: 2.0 - valid loss: 3.0\n")
    where = ["--results_folder", tmp_path, "--tables", "V"]
    said = refusal(capsys, *where)
    assert f"{path}: {reason}; --allow_trials shows it" in said
    for form, begin in (("markdown", "## Table V (TRIAL"), ("latex", "%"), ("csv", "table,")):
        text = shown_by(capsys, *where, "--allow_trials", "--format", form)
        assert text.startswith(begin) and "TRIAL ON SYNTHETIC SOUND OR WITH --debug" in text
    pytest.importorskip("matplotlib")
    assert reason in refusal(capsys, *where, "--curves", tmp_path / "curves.svg")
    assert not (tmp_path / "curves.svg").exists()
    shown_by(capsys, *where, "--allow_trials", "--curves", tmp_path / "curves.svg")
    assert "TRIAL" in svg_text(tmp_path / "curves.svg")


def svg_text(path):
    """The words of a picture, which matplotlib keeps beside their shapes."""
    return path.read_text(encoding="utf-8")


def test_trials_are_found_where_they_lie(tmp_path, capsys):
    put_run(tmp_path / "miniature", "hrin_cr", 0, 0.5)
    said = refusal(capsys, "--results_folder", tmp_path, "--tables", "V")
    assert f"(trials on synthetic sound are in {tmp_path / 'miniature'})" in said


def test_learning_curves_of_several_runs_are_one_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    from paper.curves import plot_curves, read_curves

    line = "epoch: {}, lr: 1.00e-04 - train loss: {}, train md: 9.0 - valid loss: {}, valid md: 9.0\n"
    for fold, n_epochs in ((0, 3), (1, 1)):
        folder = tmp_path / f"hrin_cr/fold_{fold}/seed_0"
        folder.mkdir(parents=True)
        losses = [(epoch, f"{2.0 / epoch:.2e}", 3.0 / epoch) for epoch in range(1, n_epochs + 1)]
        text = "".join(line.format(*each) for each in losses)
        (folder / "train_log.txt").write_text(text + "epoch: 9, l")  # cut, as by a kill
        (folder / "settings.json").write_text(json.dumps(full_settings("hrin_cr", fold=fold)))
    curves = read_curves(tmp_path, select_tables("V"))
    assert curves["hrin_cr"][0].valid == [3.0, 1.5, 1.0] and curves["hrin_cr"][0].train == [2.0, 1.0, 0.667]
    figure = plot_curves(curves)
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert drawn == [[3.0, 1.5, 1.0], [2.0, 1.0, 0.667], [3.0], [2.0]]
    assert "hrin_cr: folds 0-1, seeds 0, 40 epochs, as its YAML." in figure.get_suptitle().replace("\n", " ")
    where = ["--results_folder", tmp_path, "--curves", tmp_path / "pictures/curves.png"]
    assert shown_by(capsys, *where) == ""
    assert (tmp_path / "pictures/curves.png").read_bytes()[1:4] == b"PNG"
    assert "pictures end in" in refusal(capsys, "--results_folder", tmp_path, "--curves", tmp_path / "a.doc")


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "is cut short or not JSON"), ("[]", "holds no settings")]
)
def test_damaged_settings_are_refused_with_their_cure(tmp_path, text, problem):
    path = put_run(tmp_path, "hrin_cr", 0, 0.5).with_name("settings.json")
    path.write_text(text)
    with pytest.raises(ResultsError, match=rf"settings\.json: {problem}.*experiments\.py --fresh"):
        fill(tmp_path, "V")


def test_experiments_may_differ_in_what_makes_them_experiments(tmp_path):
    put_run(tmp_path, "hrin_r", 0, 0.5, settings={"alpha": 1.0})
    put_run(tmp_path, "hrin_r_no_penalties", 0, 0.5, settings={"alpha": 0.0})
    assert cells_of(fill(tmp_path, "III"), "hrin_r")["Acc"].mean == 0.5


def test_a_copy_beside_the_runs_is_not_counted(tmp_path):
    path = put_run(tmp_path, "hrin_cr", 0, 0.5)
    copy = tmp_path / "hrin_cr/fold_0_old/seed_0/results.json"
    copy.parent.mkdir(parents=True)
    copy.write_text(json.dumps(json.loads(path.read_text())))
    assert cells_of(fill(tmp_path, "V"), "hrin_cr")["Acc"].n_runs == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX's")
def test_an_output_that_is_no_file_is_written_to_and_not_replaced(some, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        arguments = ["--results_folder", some, "--tables", "V", "--output", pipe]
        assert main([str(argument) for argument in arguments]) == 0
        assert pipe.is_fifo()
        assert os.read(reader, 100).startswith(b"## Table V.")
    finally:
        os.close(reader)


def test_an_output_that_cannot_be_written_is_named(some, tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    said = refusal(capsys, "--results_folder", some, "--output", tmp_path / "taken")
    assert f"{tmp_path / 'taken'}: cannot be written" in said
    assert list((tmp_path / "taken").iterdir()) == []
