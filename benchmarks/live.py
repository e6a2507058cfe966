"""What does a bounded latency cost in accuracy, and how long are the delays?

    python benchmarks/live.py FOLDER ... [--latency exact 60 30 10 5]

Each FOLDER is a data set in the layout of OpenBMAT, as `hrin mix` writes it. Its recordings are joined to one
signal, which is fed to the detector that ships, as a stream would come, in blocks of 50 ms. Prints one table:
windows, context and the decoder's look-ahead in seconds; mean and greatest delay of the decided frames in the
time of the stream; share of the frames that are decided as in the exact mode, and as annotated; processor
time as a share of real time.
"""

import argparse
import time

import numpy as np
import soundfile
from tqdm import tqdm

from hrin_plugin.decoding.decoders import LOOK_AHEAD_S, STRETCH_S
from hrin_plugin.events import Event, events_to_frames, parse_tsv
from hrin_plugin.inference import load_detector
from hrin_plugin.inference.pace import pace_for
from hrin_plugin.training.openbmat import find_sources

BLOCK_S = 0.05


def joined(folder, labels):
    """Samples ``[sample]`` of all recordings in a row, their rate, and the annotated events of each level."""
    files = find_sources(folder, "a", with_md=True).files
    signal, truth, begin_s = [], {task: [] for task in labels}, 0.0
    for name, path in sorted(files["audio"].items()):
        samples, rate = soundfile.read(path, dtype="float32")
        signal.append(samples)
        for task in labels:
            for onset_s, offset_s, label in parse_tsv(files[task][name], len(samples) / rate):
                truth[task].append(Event(begin_s + onset_s, begin_s + offset_s, label))
        begin_s += len(samples) / rate
    return np.concatenate(signal), rate, truth


def detect(detector, signal, rate, pace):
    """Events of each level, mean and greatest delay, and processor seconds."""
    fed, size = 0, round(BLOCK_S * rate)

    def blocks():
        nonlocal fed
        for begin in range(0, len(signal), size):
            fed = min(begin + size, len(signal))
            yield signal[begin:fed]

    events, done_s, delays, begun_s = {}, 0.0, [], time.process_time()
    for heard in detector.detect_live(blocks(), rate, pace):
        for task, event in heard.ended:
            events.setdefault(task, []).append(event)
        if heard.decided_s > done_s and not heard.is_end:  # at the end nothing is waited for
            delays.append((heard.decided_s - done_s, fed / rate - heard.decided_s, fed / rate - done_s))
        done_s = heard.decided_s
    lengths, least, most = np.array(delays).T
    mean_s = float(np.sum(lengths * (least + most) / 2) / np.sum(lengths))
    return events, mean_s, float(most.max()), time.process_time() - begun_s


def rightness(events, truth, labels, grid, n_frames):
    """Share of the frames of each level that have the same class."""
    shares = []
    for task, names in labels.items():
        found, wanted = (events_to_frames(each[task], names, grid, n_frames) for each in (events, truth))
        shares.append(float(np.mean(found == wanted)))
    return shares


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--latency", nargs="+", default=["60", "30", "10", "5"])
    arguments = parser.parse_args()
    detector = load_detector(device="cpu")
    labels, grid = detector.taxonomy.labels, detector.grid
    heads = "window", "context", "ahead", "mean", "most", "MD=", "MRLE=", "MD", "MRLE", "CPU %"
    print(f"{'set':20}{'latency':>8}" + "".join(f"{head:>9}" for head in heads))
    for folder in tqdm(arguments.folders, leave=False):
        signal, rate, truth = joined(folder, labels)
        n_frames, exact = int(len(signal) / rate / grid.time_of(1)), None
        for latency in dict.fromkeys(["exact", *arguments.latency]):
            pace = pace_for(None if latency == "exact" else float(latency))
            events, mean_s, most_s, cpu_s = detect(detector, signal, rate, pace)
            exact = exact or events
            ahead_s = (
                LOOK_AHEAD_S + STRETCH_S if pace.look_ahead_s is None else pace.stretch_s + pace.look_ahead_s
            )
            lengths = pace.window_s, pace.context_s, ahead_s, mean_s, most_s
            shares = rightness(events, exact, labels, grid, n_frames)
            shares += rightness(events, truth, labels, grid, n_frames)
            row = "".join(f"{seconds:9.1f}" for seconds in lengths)
            row += "".join(f"{100 * share:9.2f}" for share in shares)
            name = str(folder).rstrip("/").rpartition("/")[2]
            tqdm.write(f"{name:20}{latency:>8}{row}{100 * cpu_s * rate / len(signal):9.2f}")


if __name__ == "__main__":
    main()
