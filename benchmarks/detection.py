"""How fast is detection, from files to results, and how do time and memory grow: ``make bench``.

    python benchmarks/detection.py [--against FOLDER] [--plot docs/detection.svg]

Every measurement is ``hrin detect`` as a whole process that writes TSV files, start included. Just before
each, a matrix product is measured on all cores. That is the limit: the share of it tells how much of what the
machine can compute the network's own arithmetic gets. The table has medians of such pairs. ``--against`` runs
another copy of the package in turn. Growth is measured once for each length and number of files.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import soundfile

from hrin_plugin.inference import load_detector
from hrin_plugin.inference.windows import window_grid
from hrin_plugin.machine import n_cores
from hrin_plugin.networks.sizes import CONV_CHANNELS, CONV_KERNEL, CONV_STRIDE
from hrin_plugin.pretrained.plain import read_plain
from hrin_plugin.pretrained.sources import find_model

PRODUCT = """
import time, numpy
a = numpy.random.default_rng(0).normal(size=(2048, 2048)).astype(numpy.float32)
a @ a
begin = time.perf_counter(), time.process_time()
for _ in range(4):
    a @ a
print(*(8 * 2048**3 / (end - at) / 1e9 for end, at in zip((time.perf_counter(), time.process_time()), begin)))
"""

#: Minutes of the recordings, and numbers of files of a second, whose time and memory are measured.
LENGTHS_MIN, COUNTS = (1, 3, 10, 30, 60, 360, 1440), (1, 3, 10, 30, 100, 300, 1000, 10000)


class Run(NamedTuple):
    """A whole process."""

    wall_s: float
    cpu_s: float
    peak_mib: float  # of its largest process


def run(arguments, package=None):
    """Run ``hrin detect`` and measure it."""
    package = os.path.abspath(package or Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": package}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as where it is installed
    command = [sys.executable, "-m", "hrin_plugin.cli", "detect", *map(str, arguments), "--overwrite"]
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=package, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {said.decode(errors='replace')[-500:]}")
    return Run(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def limit_gflops():
    """Speed of a large matrix product on all cores: for a second, and for a second of one core's time."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(n_cores())}
    told = subprocess.run([sys.executable, "-c", PRODUCT], env=environment, capture_output=True).stdout
    return tuple(map(float, told.split()))


def gflop_a_second():
    """Arithmetic of the shipped network's products for a second of sound, in GFLOP; HRIN-cr on its input."""
    model, grid = read_plain(find_model()), load_detector(device="cpu").grid
    settings = model.network_settings
    hidden, layers, width = (settings[name] for name in ("hidden_size", "num_layers", "input_size"))
    products = 0
    for values in (width, width + 2 * hidden):
        for n_inputs, n_outputs in zip((1, *CONV_CHANNELS), CONV_CHANNELS):
            values = (values - CONV_KERNEL) // CONV_STRIDE + 1
            products += values * CONV_KERNEL * n_inputs * n_outputs
            values = (values - CONV_KERNEL) // CONV_STRIDE + 1
        n_inputs = values * CONV_CHANNELS[-1]
        for _ in range(layers):
            products += 2 * 3 * hidden * (n_inputs + hidden)
            n_inputs = 2 * hidden
    windows = window_grid(model.features)
    overlap = windows.window / windows.stride
    return 2e-9 * products * overlap / grid.time_of(1)


def write_sound(path, minutes, rate, channels, **options):
    """A recording that changes every few seconds between tones, noise and a pause."""
    rng, size = np.random.default_rng(0), 5 * rate
    times = np.arange(size)[:, None] / rate
    tones = sum(np.sin(2 * np.pi * hertz * times) for hertz in (220, 277, 330, 440)) * [0.1, 0.08][:channels]
    noise = rng.normal(0, 0.05, (size, channels))
    minute = np.concatenate([tones, noise, tones + noise, noise * 1e-3] * 3).astype(np.float32)
    with soundfile.SoundFile(path, "w", rate, channels, **options) as file:
        for _ in range(minutes):
            file.write(minute)


def questions(place, minutes, n_files):
    """Recordings and arguments of each row: title, arguments, seconds of sound, target."""
    wav, mp3, many, one = place / "a.wav", place / "a.mp3", place / "many", place / "one.wav"
    write_sound(wav, minutes, 44100, 2)
    write_sound(mp3, minutes, 44100, 2)
    many.mkdir()
    write_sound(place / "minute.wav", 1, 44100, 2)
    half = soundfile.read(place / "minute.wav", frames=30 * 44100, dtype="int16")[0]
    for number in range(n_files):
        soundfile.write(many / f"{number}.wav", half, 44100)
    write_sound(one, max(1, n_files // 2), 44100, 2)
    jobs = ["--jobs", n_cores()]
    return [
        (f"{minutes} minutes of WAV", [wav], 60 * minutes, "500 x, 500 MiB"),
        (f"{minutes} minutes of MP3", [mp3], 60 * minutes, "450 x, 500 MiB"),
        (f"{n_files} files of 30 s, --jobs {n_cores()}", [many, *jobs], 30 * n_files, "90 % of the next row"),
        (f"one file of {max(1, n_files // 2)} minutes", [one], 60 * max(1, n_files // 2), ""),
    ]


def print_table(place, minutes, n_files, repeats, against):
    """The table of ratios."""
    rows = questions(place, minutes, n_files)
    packages = {"now": None} | ({"before": against} if against else {})
    print("| question | target | x real time | of the limit | processor s/h of sound | of the limit | MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    arithmetic = gflop_a_second()
    for title, arguments, seconds, target in rows:
        pairs = {name: [] for name in packages}
        for _ in range(repeats):
            for name, package in packages.items():
                limit = limit_gflops()
                pairs[name].append((limit, run([*arguments, "--output", place / f"out-{name}"], package)))
        for name, found in pairs.items():
            speed = statistics.median(seconds / one.wall_s for _, one in found)
            shares = [
                statistics.median(arithmetic * seconds / took / limit for took, limit in pairs)
                for pairs in (
                    [(one.wall_s, limit) for (limit, _), one in found],
                    [(one.cpu_s, limit) for (_, limit), one in found],
                )
            ]
            cpu_s = statistics.median(one.cpu_s / seconds * 3600 for _, one in found)
            peak = statistics.median(one.peak_mib for _, one in found)
            whole = f"{title}, before" if name == "before" else title
            figures = f"{speed:.0f} | {shares[0]:.0%} | {cpu_s:.1f} | {shares[1]:.0%} | {peak:.0f}"
            print(f"| {whole} | {target} | {figures} |", flush=True)


def measure_growth(place, lengths_min, counts):
    """Runs by the length of one recording, and by the number of files of a second."""
    by_length, by_count = {}, {}
    for minutes in lengths_min:
        write_sound(place / "long.wav", minutes, 16000, 1)
        by_length[minutes] = run([place / "long.wav", "--output", place / "out-long"])
        print(f"{minutes} minutes: {by_length[minutes]}", flush=True)
        (place / "long.wav").unlink()
    folder, second = place / "seconds", np.random.default_rng(0).normal(0, 0.1, 8000)
    folder.mkdir()
    for count in counts:
        for number in range(len(list(folder.iterdir())), count):
            soundfile.write(folder / f"{number}.wav", second, 8000)
        by_count[count] = run([folder, "--output", place / "out-seconds", "--jobs", n_cores()])
        print(f"{count} files: {by_count[count]}", flush=True)
    return by_length, by_count


def draw(growths, path):
    """Time and memory against length and number of files, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(8, 5), sharex="col", layout="constrained")
    titles = "length of the recording, minutes", "files of a second"
    for column, (growth, title) in enumerate(zip(growths, titles)):
        for axis, name, unit in zip(
            axes[:, column], ("cpu_s", "peak_mib"), ("processor time, s", "MiB at most")
        ):
            axis.plot(list(growth), [getattr(one, name) for one in growth.values()], "o-")
            axis.set(xscale="log", ylabel=unit if column == 0 else None)
            axis.grid(alpha=0.3)
        axes[0, column].set_yscale("log")
        axes[1, column].set(xlabel=title, ylim=(0, None))
    figure.savefig(path, metadata={"Date": None})


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60, help="length of the recordings (default: 60)")
    parser.add_argument("--files", type=int, default=200, help="number of files of 30 s (default: 200)")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of each row (default: 3)")
    parser.add_argument("--against", metavar="FOLDER", help="another copy of the package, run in turn")
    parser.add_argument("--plot", metavar="FILE", help="measure growth, too, and draw it")
    parser.add_argument("--longest", type=int, default=1440, help="minutes of its longest (default: 1440)")
    parser.add_argument("--most", type=int, default=10000, help="most files (default: 10000)")
    arguments = parser.parse_args()
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    print(
        f"{n_cores()} cores ({platform.machine()}){load}; Python {platform.python_version()}, "
        f"NumPy {np.__version__}, onnxruntime {onnxruntime.__version__}; matrix product "
        f"{limit_gflops()[0]:.0f} GFLOP/s, the network takes {gflop_a_second():.2f} GFLOP a second of sound\n"
    )
    with tempfile.TemporaryDirectory() as place:
        sizes = arguments.minutes, arguments.files, arguments.repeats
        print_table(Path(place), *sizes, arguments.against)
    if arguments.plot:
        lengths = [minutes for minutes in LENGTHS_MIN if minutes <= arguments.longest]
        counts = [count for count in COUNTS if count <= arguments.most]
        with tempfile.TemporaryDirectory() as place:
            draw(measure_growth(Path(place), lengths, counts), arguments.plot)


if __name__ == "__main__":
    main()
