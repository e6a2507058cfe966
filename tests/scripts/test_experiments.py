"""Plans of many runs: what is selected, done, refused, interrupted, shared out, and said."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import experiments
import measure_speed
import train
from hrin_plugin.training.brain import HRINBrain
from hrin_plugin.training.folder import RESULTS_FILE, SettingsChanged, check_settings, claim_folder, is_done
from hrin_plugin.training.lock import IN_USE_STATUS, FolderInUse, hold_folder
from hrin_plugin.training.pool import FAILED, EndedRun
from hrin_plugin.training.progress import Progress
from hrin_plugin.training.settings import identify_data
from paper import cluster as experiment_cluster
from paper.estimate import Estimate, Speed, describe, times_from_log
from paper.options import parse_arguments
from paper.plan import Run, select_experiments, select_runs, training_arguments

RECIPE = Path(__file__).parents[2] / "recipes/OpenBMAT"
PYTHONPATH = f"{RECIPE}{os.pathsep}{RECIPE.parents[1]}"

# Stands for train.py: claims the folder in the same way, and leaves what a run leaves. Files in the folder
# "orders" beside the results tell it to fail, to wait, or to meet another run.
STUB = f"""
import json, os, pathlib, sys, time
from types import SimpleNamespace
sys.path.insert(0, {str(RECIPE)!r})
from hrin_plugin.training.folder import claim_folder
from hrin_plugin.training.lock import RunRefused
from hrin_plugin.training.settings import resolve_settings
words = [word for word in sys.argv[2:] if word != "--noprogressbar"]
options = SimpleNamespace(overridden_args=())
settings = resolve_settings(sys.argv[1], options, "\\n".join(w[2:].replace("=", ": ", 1) for w in words))
orders = pathlib.Path(settings["results_folder"]).parent / "orders"
name = f"{{settings['fold']}}"
try:
    with claim_folder(settings) as folder:
        variables = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        note = {{"pid": os.getpid()}} | {{key: os.environ.get(key) for key in variables}}
        with open(folder / "starts", "a") as file:
            print(json.dumps(note), file=file)
        deadline = time.monotonic() + 60
        while (orders / "wait").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if (orders / "meet").exists():
            starts = folder.parents[1].glob
            while len(list(starts("fold_*/seed_*/starts"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
        if (orders / f"fail_{{name}}").exists():
            print("  5%|\\r 50%|\\rthe disk caught fire")
            sys.exit(3)
        (folder / "save/CKPT+1").mkdir(parents=True, exist_ok=True)
        scores = {{task: {{"segment": {{"accuracy": 0.5}}}} for task in ("md", "mrle")}}
        which = {{"fold": settings["fold"], "seed": settings["seed"]}}
        (folder / "results.json").write_text(json.dumps({{"settings": which, "scores": scores}}))
except RunRefused as error:
    print(error)
    sys.exit(error.status)
"""


@pytest.fixture
def plan(miniature, tmp_path, monkeypatch):
    """Runs plans of the stub in this process; returns the exit status."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    (tmp_path / "orders").mkdir()
    script = tmp_path / "stub.py"
    script.write_text(STUB)

    def run_plan(*words, experiments_="gru"):
        flags = ["--experiments", experiments_, "--results_folder", str(tmp_path / "results"), "--no_measure"]
        flags += ["--data_folder", str(miniature)]
        return experiments.main([*flags, *words], script=script)

    return run_plan


def starts(tmp_path, fold, experiment="gru"):
    path = Run(experiment, fold, 0).folder(tmp_path / "results") / "starts"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# What is selected


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ("I,II", {"mmg", "lstm", "gru", "cnn_gru", "hrin_r_lstm", "hrin_r", "hrin_cr"}),
        ("iii", {"hrin_r", "hrin_r_no_penalties", "hrin_r_only_lno", "hrin_r_without_lno"}),
        ("VI", {"hrin_cr", "hrin_cr_concat_after_conv", "hrin_cr_concat_before_fc"}),
    ],
)
def test_a_table_has_the_experiments_of_its_rows(tables, expected):
    assert set(select_experiments(tables)) == expected


def test_the_default_is_every_experiment_of_the_paper_on_every_fold():
    runs = select_runs(select_experiments(), "0-9", "0")
    names = {path.stem for path in (RECIPE / "hparams").glob("*.yaml")}
    names -= {"hrin_cr_broadcast", "hrin_cr_broadcast_long", "hrin_cr_finetune"}
    assert {run.experiment for run in runs} == names and len(names) == 17
    assert len(set(runs)) == len(runs) == 170
    assert [run.fold for run in runs] == sorted(run.fold for run in runs)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--experiments", "hrin_x"], "'hrin_x': no such file in .*the experiments are cnn_gru, gru"),
        (["--tables", "IX"], "'IX' is no table of the paper"),
        (["--folds", "0-10"], "--folds: '0-10': 10 is too great; use 0 to 9"),
        (["--folds", "5-2"], "--folds: '5-2': the range 5-2 runs backwards"),
        (["--seeds", "one"], "--seeds: 'one' is no list of numbers"),
        (["--jobs", "0"], "--jobs 0: use 1 or more"),
        (["--data_folder", "nowhere"], "nowhere: there is no such folder"),
        (["--", "--fold=1"], "--fold=1: the plan sets --fold"),
        (["--", "--hidden=7"], "Override 'hidden' not found"),
        (["--", "--lr=1", "--lr=2"], 'duplicate key "lr"'),
        (["--cluster_option", "timeout_min=1"], "--cluster_option needs --cluster"),
    ],
)
def test_a_wrong_selection_is_refused_before_anything_is_written(words, message, tmp_path, capsys):
    words = ["--results_folder", str(tmp_path / "results"), "--no_measure", "--experiments", "gru", *words]
    assert experiments.main(words, script="never_started.py") == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list(tmp_path.rglob("run.log"))


def test_plans_on_synthetic_sound_have_results_of_their_own():
    for words, folder in (([], "out/miniature"), (["--data_folder", "set"], "out")):
        options = parse_arguments(["--results_folder", "out", *words])
        assert Path(options.results_folder) == Path(folder)
        [output] = [word for word in training_arguments(Run("gru", 0, 0), options) if "output_folder" in word]
        assert output == f"--output_folder={Path(folder).absolute()}/gru/fold_0/seed_0"


# What is done, and done again


def test_a_second_call_does_only_what_is_missing(plan, tmp_path, capsys):
    assert plan("--folds", "0") == 0
    assert plan("--folds", "0-1") == 0
    assert [len(starts(tmp_path, fold)) for fold in (0, 1)] == [1, 1]
    assert "2 runs, 1 of them done" in capsys.readouterr().out
    assert plan("--folds", "0-1") == 0
    assert [len(starts(tmp_path, fold)) for fold in (0, 1)] == [1, 1]


def test_a_failed_run_stops_no_other_and_is_reported_last(plan, tmp_path, capsys):
    (tmp_path / "orders/fail_0").touch()
    assert plan("--folds", "0-1") == 1
    shown = capsys.readouterr()
    log = tmp_path / "results/gru/fold_0/seed_0/run.log"
    *_, failure, command, last, advice = shown.out.splitlines()
    assert failure == f"FAILED: gru fold 0 seed 0: exit status 3; log: {log}"
    assert command.startswith("    $ ") and last == "    the disk caught fire" and "again" in advice
    assert "1 runs are done, 1 failed" in shown.out
    assert "[1 of 2 done, 0 running, 1 failed, " in shown.err
    (tmp_path / "orders/fail_0").unlink()
    assert plan("--folds", "0-1") == 0
    assert [len(starts(tmp_path, fold)) for fold in (0, 1)] == [2, 1]


@pytest.mark.parametrize(
    "damage", ["", "{", '{"settings": {"fold": 0, "seed": 0}, "scores": {}}', "other fold"]
)
def test_results_cut_short_or_of_another_run_are_made_again(plan, tmp_path, damage):
    plan("--folds", "0")
    path = tmp_path / "results/gru/fold_0/seed_0" / RESULTS_FILE
    whole = path.read_text()
    path.write_text(whole.replace('"fold": 0', '"fold": 1') if damage == "other fold" else damage)
    assert plan("--folds", "0") == 0
    assert len(starts(tmp_path, 0)) == 2 and path.read_text() == whole


def test_a_run_that_ends_without_results_has_failed(plan, tmp_path, capsys):
    (tmp_path / "stub.py").write_text("print('all well')")
    assert plan("--folds", "0") == 1
    assert "it ended without whole results" in capsys.readouterr().out


# Settings


def test_a_changed_setting_is_refused_by_name_and_nothing_is_lost(plan, tmp_path, capsys):
    plan("--folds", "0-1")
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()}
    assert plan("--folds", "0-2", "--", "--lr=0.5") == 2
    error = capsys.readouterr().err
    folder = tmp_path / "results/gru/fold_1/seed_0"
    assert f"{folder} holds a run of other settings: lr was 0.001, is now 0.5\n" in error
    assert "another --results_folder" in error and "--fresh" in error
    assert {path: path.read_bytes() for path in before} == before and not starts(tmp_path, 2)


def test_fresh_sets_the_old_run_aside_and_does_it_again(plan, tmp_path):
    plan("--folds", "0")
    assert plan("--folds", "0", "--fresh", "--", "--lr=0.5") == 0
    aside = tmp_path / "results/set_aside/gru/fold_0/seed_0.1"
    assert json.loads((aside / "settings.json").read_text())["lr"] == 0.001
    assert json.loads((tmp_path / "results/gru/fold_0/seed_0/settings.json").read_text())["lr"] == 0.5
    assert len(starts(tmp_path, 0)) == 1


def test_settings_that_cannot_change_results_may_change(plan, tmp_path):
    plan("--folds", "0")
    assert plan("--folds", "0", "--", "--num_workers=2", "--ckpt_interval_minutes=1", "--device=cpu") == 0
    shutil.move(tmp_path / "results", tmp_path / "moved")
    assert plan("--folds", "0", "--results_folder", str(tmp_path / "moved")) == 0
    assert len((tmp_path / "moved/gru/fold_0/seed_0/starts").read_text().splitlines()) == 1


def test_a_half_finished_run_is_compared_too_and_one_without_work_is_not(tmp_path):
    settings = {"output_folder": str(tmp_path), "fold": 0, "seed": 0, "lr": 0.1}
    with claim_folder(settings):
        pass
    with claim_folder(settings | {"lr": 0.2}) as folder:
        (folder / "save/CKPT+1").mkdir(parents=True)
    with pytest.raises(SettingsChanged, match="lr was 0.2, is now 0.1"):
        check_settings(tmp_path, settings)
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(SettingsChanged, match="settings.json, .*, is missing or damaged"):
        is_done(tmp_path, settings)


def test_data_are_told_apart_by_content_not_by_place(miniature, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(miniature, copy)
    assert identify_data(copy) == identify_data(miniature)
    assert identify_data(copy).startswith("20 synthetic recordings (")
    changed = next((copy / "annotations/tsv/RMLE_mapping/annotator_a").glob("*.tsv"))
    changed.write_text("0\t2\tno-music\n")
    assert identify_data(copy) != identify_data(miniature)


def test_training_itself_refuses_a_folder_in_use_and_other_settings(tmp_path, capsys):
    words = ["hparams/gru.yaml", f"--output_folder={tmp_path}"]
    with hold_folder(tmp_path), pytest.raises(SystemExit) as stop:
        train.main(words)
    assert stop.value.code == IN_USE_STATUS
    assert f"{tmp_path} is in use: another run is writing there" in capsys.readouterr().err
    (tmp_path / RESULTS_FILE).write_text("{}")
    (tmp_path / "settings.json").write_text(json.dumps({"lr": 0.5}))
    with pytest.raises(SystemExit) as stop:
        train.main(words)
    assert stop.value.code == 1 and "lr was 0.5, is now 0.001" in capsys.readouterr().err


# Side by side


def test_a_folder_in_use_is_left_to_the_other_process(plan, tmp_path, capsys):
    with hold_folder(tmp_path / "results/gru/fold_0/seed_0"):
        assert plan("--folds", "0-1") == 1
    assert "1 runs are done, 0 failed, 1 are being done by other processes" in capsys.readouterr().out
    assert not starts(tmp_path, 0) and len(starts(tmp_path, 1)) == 1


def test_two_holders_of_one_folder_are_refused(tmp_path):
    with hold_folder(tmp_path), pytest.raises(FolderInUse, match="in use"), hold_folder(tmp_path):
        pass
    with hold_folder(tmp_path):
        pass


def test_jobs_take_the_gpus_in_turn_and_share_the_cores(plan, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("hrin_plugin.training.commands.n_cores", lambda: 8)
    (tmp_path / "orders/meet").touch()
    assert plan("--folds", "0-1", "--jobs", "2", "--gpus", "3,5") == 0
    notes = [starts(tmp_path, fold)[0] for fold in (0, 1)]
    assert [note["CUDA_VISIBLE_DEVICES"] for note in notes] == ["3", "5"]
    assert [note["OMP_NUM_THREADS"] for note in notes] == ["4", "4"]


def test_what_is_shared_is_prepared_by_one_at_a_time(tmp_path):
    code = (
        f"import sys, time; sys.path.insert(0, {str(RECIPE)!r})\n"
        "from hrin_plugin.training.lock import alone\n"
        "def work(path):\n"
        "    for word in ('in', 'out'):\n"
        "        with open(path, 'a') as file: print(word, file=file)\n"
        "        time.sleep(0.1)\n"
        "alone(sys.argv[1], work, sys.argv[1] + '/notes')"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "notes").read_text().split() == ["in", "out"] * 3


# Interruption


def alive(pid):
    """Whether a process is there, and no mere remains that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc")
def test_an_interrupted_plan_ends_its_runs_and_goes_on_later(plan, miniature, tmp_path):
    (tmp_path / "orders/wait").touch()
    code = "import sys, experiments; sys.exit(experiments.main(sys.argv[2:], script=sys.argv[1]))"
    words = ["--experiments", "gru", "--folds", "0-2", "--jobs", "2", "--no_measure"]
    words += ["--results_folder", str(tmp_path / "results"), "--data_folder", str(miniature)]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "stub.py"), *words],
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: starts(tmp_path, 0) and starts(tmp_path, 1))
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143 and "the same command goes on from here" in error
    assert not any(alive(starts(tmp_path, fold)[0]["pid"]) for fold in (0, 1))
    (tmp_path / "orders/wait").unlink()
    assert plan("--folds", "0-2") == 0
    assert [len(starts(tmp_path, fold)) for fold in (0, 1, 2)] == [2, 2, 1]


# Cluster


def test_a_cluster_does_the_runs_and_tells_of_failures(plan, tmp_path, capsys):
    (tmp_path / "orders/fail_1").touch()
    assert plan("--folds", "0-1", "--cluster", "local") == 1
    out = capsys.readouterr().out
    assert "1 runs are done, 1 failed" in out and "exit status 3" in out and "the disk caught fire" in out
    (tmp_path / "orders/fail_1").unlink()
    assert plan("--folds", "0-1", "--cluster", "local", "--cluster_option", "timeout_min=5") == 0
    assert [len(starts(tmp_path, fold)) for fold in (0, 1)] == [1, 2]


def test_a_job_that_is_taken_away_is_queued_again(tmp_path):
    # submitit warns a job 30 s before its time is over; here 3 s after its begin.
    engine = experiment_cluster.ClusterEngine("local", tmp_path / "jobs", {})
    engine.executor._executor.update_parameters(timeout_min=0.55)
    script = "echo begun >> notes; test $(wc -l < notes) -gt 1 || exec sleep 60"
    job = engine.start(["sh", "-c", f"cd {tmp_path}; {script}"], tmp_path / "run.log", slot=0)
    wait_until(lambda: job.poll() is not None)
    assert job.poll() == 0 and (tmp_path / "notes").read_text() == "begun\nbegun\n"


def test_a_missing_submitit_is_named_with_its_cure(plan, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert plan("--folds", "0", "--cluster", "slurm") == 2
    assert 'pip install "hrin-plugin[cluster]"' in capsys.readouterr().err


def test_an_unknown_option_of_the_cluster_is_refused(plan, capsys):
    for option in ("colour=red", "timeout_min=soon"):
        assert plan("--folds", "0", "--cluster", "local", "--cluster_option", option) == 2
        assert option.partition("=")[0] in capsys.readouterr().err


# What it costs


SPEED = {"epoch_s": 60.0, "rest_s": 40.0, "source": "one batch on an abacus"}


@pytest.fixture
def estimate(tmp_path):
    """Estimates two runs of gru, of 40 epochs, two side by side."""
    return Estimate(tmp_path, {Run("gru", fold, 0): {"number_of_epochs": 40} for fold in (0, 1)}, 2)


def test_a_measured_batch_is_scaled_by_epochs_and_runs(estimate):
    runs = list(estimate.settings)
    assert estimate.unknown(runs) == runs[:1] and estimate.left_s(runs, []) is None
    estimate.measured["gru"] = Speed(**SPEED)
    assert estimate.unknown(runs) == []
    assert [estimate.remaining_s(run) for run in runs] == [2440.0, 2440.0]
    assert estimate.left_s(runs, []) == 2440.0 and estimate.left_s(runs, runs) == 4880.0
    assert estimate.left_s(runs[:1], []) == 2440.0  # one run is not faster where two could go on
    table, total = describe(estimate, runs, set()).split("\n")[1:]
    assert " ".join(table.split()) == "gru 2 0 60.0 s 40 min 40 s one batch on an abacus"
    assert total == (
        "2 runs, 0 of them done; 2 to do: 1.36 hours of runs, with 2 side by side about 40 min 40 s"
    )


def finished_run(folder, epoch_s, resumed=False):
    """What a finished run of three epochs leaves, as far as times go; a start takes 7 s, the end 3 s."""
    clock = [time.mktime((2030, 1, 1, 10, 0, 0, 0, 0, -1))]
    lines = []

    def log(text, seconds):
        clock[0] += seconds
        lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(clock[0]))},000 - {text}")

    begin = "speechbrain.core - INFO - Beginning experiment!"
    if resumed:
        log(begin, 0)
        log("loop - INFO - Going into epoch 1", 99)
        log(begin, 5000)
    else:
        log(begin, 0)
    log("loop - INFO - Going into epoch 1", 7)
    log("log - INFO - epoch: 1, lr: 1e-3 - train loss: 3.0", epoch_s * (0.5 if resumed else 1))
    for epoch in (2, 3):
        log(f"loop - INFO - Going into epoch {epoch}", 0)
        log(f"log - INFO - epoch: {epoch}, lr: 1e-3 - train loss: 2.0", epoch_s)
    log("__main__ - INFO - Events, scores and model are in here", 3)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("resumed", [False, True])
def test_times_are_read_from_a_log_and_interrupted_epochs_do_not_count(tmp_path, resumed):
    finished_run(tmp_path / "run", epoch_s=50, resumed=resumed)
    assert times_from_log((tmp_path / "run/log.txt").read_text()) == (50.0, 10.0)


def test_finished_runs_count_for_more_than_a_batch(estimate, tmp_path):
    first, second = estimate.settings
    estimate.measured["gru"] = Speed(**SPEED)
    for fold, epoch_s in enumerate([50, 54, 90], start=2):
        folder = Run("gru", fold, 0).folder(tmp_path)
        finished_run(folder, epoch_s)
        estimate.learn(folder)
    finished_run(Run("lstm", 0, 0).folder(tmp_path), 1000)
    for each in (estimate, Estimate(tmp_path, estimate.settings, 2)):
        assert each.speed(second) == (54.0, 10.0, "3 finished runs")
        assert each.remaining_s(second) == 40 * 54 + 10
    (second.folder(tmp_path)).mkdir(parents=True)
    epochs = "".join(f"epoch: {number}, lr: 1\n" for number in range(1, 31))
    (second.folder(tmp_path) / "train_log.txt").write_text(epochs)
    assert estimate.remaining_s(second) == 10 * 54 + 10
    assert "3 finished runs" in describe(estimate, [first, second], {first})


def test_what_is_not_known_is_measured_before_the_start(tmp_path, monkeypatch, capsys):
    script = tmp_path / "measure.py"
    script.write_text(
        "import json, os, sys\n"
        "assert 'lstm' not in sys.argv[2], 'no memory for this'\n"
        "assert os.environ['CUDA_VISIBLE_DEVICES'] == '3'\n"
        f"json.dump({SPEED!r}, open(sys.argv[1], 'w'))\n"
    )
    monkeypatch.setattr("paper.estimate.MEASURE", script)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    words = ["--experiments", "gru,lstm", "--folds", "0-1", "--jobs", "2", "--gpus", "3,5", "--dry_run"]
    words += ["--results_folder", str(tmp_path / "results")]
    assert experiments.main(words, script="never_started.py") == 0
    shown = capsys.readouterr()
    assert "lstm could not be measured" in shown.err and "AssertionError: no memory for this" in shown.err
    lines = shown.out.splitlines()
    assert lines[1].split()[:5] == ["gru", "2", "0", "60.0", "s"]
    assert lines[2].endswith("nothing; --dry_run measures a batch")
    assert "their time is not known" in lines[3]
    assert not [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    script.write_text("raise SystemExit('measured')")
    assert experiments.main([*words, "--no_measure"], script="never_started.py") == 0
    assert capsys.readouterr().err == ""


# Runs on a GPU that is not there


@pytest.fixture
def gpus(monkeypatch, tmp_path, capsys):
    """Fakes GPUs, on which a batch of any network takes as long; gives the lines of a dry run."""
    script = tmp_path / "measure.py"
    script.write_text(f"import json, sys; json.dump({SPEED!r}, open(sys.argv[1], 'w'))\n")
    monkeypatch.setattr("paper.estimate.MEASURE", script)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def dry_run(name, visible, *words):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda: name)
        words = ["--results_folder", str(tmp_path / "results"), "--dry_run", *words]
        assert experiments.main(words, script="never_started.py") == 0
        return capsys.readouterr().out.splitlines()

    return dry_run


@pytest.fixture
def rows(tmp_path):
    """A file of the GPU benchmark, in which four trainings at once are best."""
    path = tmp_path / "rows.json"
    values = {"count": 4, "rates": {"1": 50.0, "2": 75.0, "4": 100.0, "8": 101.0}}
    row = {"part": "side_by_side", "what": "recommended", "result": "", "ok": None, "values": values}
    path.write_text(json.dumps([{**row, "what": "4 at once", "values": {}}, row]))
    return str(path)


def test_the_plan_of_the_paper_says_hours_on_the_gpu_that_is_found(gpus):
    *_, total, choice = gpus("NVIDIA H200", "0")
    assert total.startswith("170 runs, 0 of them done; 170 to do: ")
    hours = float(re.search(r"([\d.]+) hours of runs, with 1 side by side", total)[1])
    runs = select_runs(select_experiments(), "0-9", "0")
    epochs = sum(
        int(
            re.search(
                r"^number_of_epochs: (\d+)", (RECIPE / f"hparams/{run.experiment}.yaml").read_text(), re.M
            )[1]
        )
        for run in runs
    )
    assert hours == pytest.approx((60 * epochs + 40 * 170) / 3600, abs=0.01)
    assert choice.startswith(
        "--jobs 1 on 1 GPU (NVIDIA H200); measured throughput of runs at once on one: 1: 1.00, "
    )


def test_each_gpu_gets_as_many_runs_as_were_measured_to_be_best(gpus, rows):
    words = ["--experiments", "gru", "--measured", rows]
    *_, total, choice = gpus("Some Card", "0,1", *words)
    assert choice.startswith("--jobs 8 on 2 GPUs (Some Card); measured")
    # Ten runs of 2440 s, twice as fast on each of two GPUs, but none faster than alone.
    assert "6.78 hours of runs, with 8 side by side about 1 h 41 min" in total
    *_, total, choice = gpus("Some Card", "0", *words, "--jobs", "2")
    assert choice.startswith("--jobs 2 on 1 GPU") and "about 4 h 31 min" in total


@pytest.mark.parametrize(
    ("name", "words", "choice"),
    [
        (
            "Some Card",
            (),
            "--jobs 2 on 2 GPUs (Some Card), of which nothing is measured: see benchmarks/gpu.py",
        ),
        ("NVIDIA H200", (), "--jobs 2 on 2 GPUs (NVIDIA H200); measured"),
        ("NVIDIA H200", ("--", "--device=cpu"), "10 runs, 0 of them done"),
    ],
)
def test_without_a_measurement_each_gpu_gets_one_run(gpus, name, words, choice):
    assert gpus(name, "0,1", "--experiments", "gru", *words)[-1].startswith(choice)


def test_rows_without_runs_side_by_side_are_refused(gpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    (tmp_path / "rows.json").write_text("[]")
    words = ["--experiments", "gru", "--measured", str(tmp_path / "rows.json"), "--dry_run"]
    assert experiments.main([*words, "--results_folder", str(tmp_path)]) == 2
    assert "rows.json: holds no throughput of trainings side by side; make it by" in capsys.readouterr().err


def test_a_batch_is_really_trained_and_the_runs_folder_left_alone(miniature, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    words = ["--results_folder", str(tmp_path), "--data_folder", str(miniature), "--", "--device=cpu"]
    words = training_arguments(Run("hrin_cr", 0, 0), parse_arguments(words))
    trained = []
    fit_batch = HRINBrain.fit_batch
    monkeypatch.setattr(
        HRINBrain, "fit_batch", lambda self, batch: (trained.append(len(batch.id)), fit_batch(self, batch))[1]
    )
    measure_speed.main([str(tmp_path / "speed.json"), *words])
    speed = Speed(**json.loads((tmp_path / "speed.json").read_text()))
    assert trained == [8, 8] and speed.source == "one batch on the CPU"
    # 16 recordings to train on, 2 to validate and 2 to test.
    assert speed.epoch_s / speed.rest_s == pytest.approx(18 / 2)
    assert not (tmp_path / "hrin_cr").exists()


def test_a_batch_is_scaled_to_the_share_that_is_trained_on(miniature, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    words = [f"--data_folder={miniature}", f"--results_folder={tmp_path}", "--train_share=0.25"]
    measure_speed.main([str(tmp_path / "speed.json"), "hparams/hrin_cr_finetune.yaml", *words])
    speed = Speed(**json.loads((tmp_path / "speed.json").read_text()))
    assert speed.epoch_s / speed.rest_s == pytest.approx((4 + 2) / 2)


# What is said meanwhile


class Terminal(io.StringIO):
    """Takes what is shown, and says that it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_progress_tells_what_is_done_running_failed_and_left(stream):
    shown = stream()
    runs = [Run("gru", fold, 0) for fold in range(3)]
    progress = Progress(5, 2, lambda waiting, running: 3600.0 * len(waiting), stream=shown)
    progress.began(runs[0])
    progress.show(runs[1:], runs[:1])
    assert "2 of 5 done, 1 running, 0 failed, about 2 h 0 min left" in shown.getvalue()
    progress.ended(EndedRun(runs[0], FAILED, "exit status 3"))
    progress.show(runs[2:], [])
    progress.close()
    assert "gru fold 0 seed 0: failed after 0 s (exit status 3)" in shown.getvalue()
    assert "2 of 5 done, 0 running, 1 failed, about 1 h 0 min left" in shown.getvalue()


def test_without_news_nothing_is_printed_into_a_file():
    shown = io.StringIO()
    progress = Progress(1, 0, stream=shown)
    for _ in range(3):
        progress.show([], [])
    assert shown.getvalue() == ""


# The real thing


def test_two_real_runs_are_interrupted_and_finished(miniature, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    results = tmp_path / "results"
    words = ["--experiments", "gru", "--folds", "0,1", "--jobs", "2", "--data_folder", str(miniature)]
    words += ["--results_folder", str(results), "--no_measure"]
    overrides = ["--", "--number_of_epochs=10", "--device=cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": PYTHONPATH}
    # Deaf to Ctrl-C is what a shell starts in the background, and all that this starts.
    code = "import signal, sys, experiments; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "sys.exit(experiments.main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, *words, *overrides], env=environment)
    logs = [Run("gru", fold, 0).folder(results) / "train_log.txt" for fold in (0, 1)]
    wait_until(lambda: all(list(log.parent.glob("save/CKPT*")) for log in logs))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not any((log.parent / RESULTS_FILE).exists() for log in logs)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert experiments.main([*words, *overrides]) == 0
    assert "2 runs are done, 0 failed" in capsys.readouterr().out
    for log in logs:
        epochs = [line.split(",")[0] for line in log.read_text().splitlines()]
        assert epochs == [f"epoch: {number}" for number in range(1, 11)]
        assert (log.parent / "run.log").read_text().count("\n$ ") == 1  # started twice
        whole_log = (log.parent / "log.txt").read_text()
        assert whole_log.count("Beginning experiment!") == 2
        assert whole_log.count("Going into epoch 1\n") == 1
        assert min(times_from_log(whole_log)) > 0
    assert experiments.main([*words, "--dry_run", *overrides]) == 0
    out = capsys.readouterr().out
    assert "2 finished runs" in out and "2 runs, 2 of them done; all is done" in out
