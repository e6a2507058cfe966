"""``hrin adapt``: fits a model to a user's own annotated recordings."""

from hrin_plugin.commands import Failure
from hrin_plugin.commands.options import add_model_option, add_unlabelled_option


def add_parser(commands):
    """Add the subcommand to a parser.

    Arguments
    ---------
    commands : argparse action
        As ``ArgumentParser.add_subparsers`` returns it.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_parser(parser.add_subparsers())
    >>> parser.parse_args(["adapt", "labelled", "--output", "mine"]).held_out
    0.25
    """
    parser = commands.add_parser(
        "adapt",
        help="fit a model to your own annotated recordings",
        description="Fine-tune a model on annotated recordings; an hour is enough. Recordings that are held "
        "out tell when to stop, and what the model is worth before and after. What the model knew is "
        "rehearsed. A second start goes on where the first was interrupted. For less than 20 minutes of "
        "annotations, 'hrin tune' is quicker.",
    )
    parser.add_argument(
        "labelled",
        metavar="LABELLED",
        help="data set in OpenBMAT's layout, as 'hrin mix' writes it, or folder of recordings with a TSV of "
        "the same name beside each, or results that were corrected with 'hrin review'",
    )
    parser.add_argument(
        "--output", metavar="MODEL", required=True, help="folder for the new model, as --model takes it"
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="share of the recordings that is not trained on; of fewer than four, the end of each "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--test", metavar="LABELLED", help="other annotated recordings, to score before and after"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="stop after the epoch in which they are over"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    add_unlabelled_option(parser)
    add_model_option(parser)
    parser.set_defaults(handler=_adapt, prog=parser.prog)


def _adapt(arguments):
    """Train, write the model, and print the scores before and after."""
    import shutil
    from pathlib import Path

    from hrin_plugin.adaptation import AdaptSettings, adapt, hold_out
    from hrin_plugin.adaptation.parts import Part
    from hrin_plugin.commands.tune import annotated_recordings
    from hrin_plugin.inference import load_taxonomy
    from hrin_plugin.networks.devices import check_device, default_device
    from hrin_plugin.pretrained import load_pretrained
    from hrin_plugin.pretrained.card import describe_code, write_card
    from hrin_plugin.pretrained.folder import SETTINGS_FILE
    from hrin_plugin.pretrained.rehearsal import load_rehearsal, save_rehearsal
    from hrin_plugin.pretrained.sources import find_model

    device = arguments.device or default_device()
    check_device(device)
    if arguments.minutes is not None and not 0 < arguments.minutes < float("inf"):
        raise ValueError(f"--minutes is {arguments.minutes:g}; give a number above 0, such as 10")
    output = Path(arguments.output)
    if (output / SETTINGS_FILE).exists():
        raise Failure(f"{output}: holds a model already; choose another --output, or delete it")
    source = find_model(arguments.model)
    taxonomy = load_taxonomy(arguments.model, arguments.run_code)
    labelled, other = (
        annotated_recordings(folder, taxonomy, arguments.unlabelled)
        for folder in (arguments.labelled, arguments.test)
    )
    parts = hold_out(labelled, arguments.held_out, arguments.seed)
    tests = [Part(reference, 0.0, reference.detection.duration_s) for reference in other]
    judged = {"held out": parts[1], "test": tests} if tests else {"held out": parts[1]}
    for name, known in {"to train on": parts[0], **judged}.items():
        print(f"{name}: {len(known)} recordings, {sum(part.duration_s for part in known) / 60:.1f} minutes")
    model, rehearsal = load_pretrained(source, arguments.run_code), load_rehearsal(source)
    if rehearsal is None:
        print(f"{source} has no excerpts to rehearse: what it knew before may be forgotten")
    work_folder = output / ".adaptation"
    _claim(work_folder, arguments, source, parts)
    settings = AdaptSettings(max_minutes=arguments.minutes, seed=arguments.seed)
    before, after = adapt(model, *parts, work_folder, rehearsal, settings, device, tell=_tell)
    if after >= before:
        raise Failure(
            f"the loss of what is held out rises from {before:.3f} to {after:.3f} at best: the model fits as "
            f"it is, or the annotations contradict each other; no model is written. {work_folder} holds "
            "the training, and can be deleted"
        )
    scores = [_scores(source, judged, taxonomy, arguments)]
    facts = _write_model(output, model, source, arguments.labelled, parts[0])
    if rehearsal is not None:
        save_rehearsal(output, rehearsal)
    scores.append(_scores(output, judged, taxonomy, arguments))
    table = _table(*scores)
    facts = {name.replace("_", " "): value for name, value in facts.items() if value} | {
        "seed": arguments.seed
    }
    facts["made by"] = describe_code(__file__)
    write_card(output, output.name, model, facts, f"## Scores before and after\n\n```\n{table.strip()}\n```")
    shutil.rmtree(work_folder)
    print(table)
    print(f"\n{output}: the model; use it by 'hrin detect --model {output}'")
    return 0


def _tell(line):
    """Print a line at once, for people who watch."""
    print(line, flush=True)


def _claim(work_folder, arguments, source, parts):
    """Keep what a training is made of; refuse to go on with one that was made of something else."""
    import json

    from hrin_plugin.files import write_atomically

    facts = {
        "model": str(source),
        "seed": arguments.seed,
        "parts": [
            [[part.reference.path, part.begin_s, part.end_s] for part in of_one_kind] for of_one_kind in parts
        ],
    }
    path = work_folder / "made_of.json"
    work_folder.mkdir(parents=True, exist_ok=True)
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != facts:
        raise Failure(
            f"{work_folder}: holds an unfinished training of another model, seed or other recordings; "
            "choose another --output, or delete it"
        )
    write_atomically(path, json.dumps(facts))


def _scores(model, judged, taxonomy, arguments):
    """Scores of a model on each set of parts: set to level to score."""
    from tqdm import tqdm

    from hrin_plugin.adaptation import score_parts
    from hrin_plugin.inference import load_detector

    detector = load_detector(model, "auto", arguments.device, run_code=arguments.run_code)
    n_parts = sum(map(len, judged.values()))
    with tqdm(total=n_parts, desc="scoring", unit="file", disable=None) as progress:

        def detect(path):
            """Detect, and move the bar."""
            progress.update()
            return detector.detect_file(path)

        return {name: score_parts(parts, detect, taxonomy) for name, parts in judged.items()}


def _write_model(output, model, source, labelled, train):
    """Write the adapted model with what belongs to it; returns what it was made of."""
    import json
    import shutil
    from pathlib import Path

    from hrin_plugin.pretrained import save_pretrained
    from hrin_plugin.pretrained.folder import SETTINGS_FILE
    from hrin_plugin.pretrained.sources import DECODING_FILE

    if (source / DECODING_FILE).is_file():
        shutil.copyfile(source / DECODING_FILE, output / DECODING_FILE)
    facts = {
        "adapted_from": json.loads((source / SETTINGS_FILE).read_text(encoding="utf-8")).get("training"),
        "recordings": Path(labelled).name,
        "minutes": round(sum(part.duration_s for part in train) / 60, 1),
    }
    save_pretrained(output, model, quantised=True, training=facts)
    return facts


def _table(before, after):
    """Scores before and after, as text."""
    lines = [f"\n{'':12}{'':8}{'accuracy before':>24}{'after':>24}{'event F before':>16}{'after':>8}"]
    for name, levels in before.items():
        for level, score in levels.items():
            pair = score, after[name][level]
            accuracies = "".join(
                f"{f'{each.accuracy:.3f} ({each.interval[0]:.3f}-{each.interval[1]:.3f})':>24}"
                for each in pair
            )
            event_f = [f"{each.event_f:.3f}" if each.event_f is not None else "-" for each in pair]
            lines.append(f"{name:12}{level:8}{accuracies}{event_f[0]:>16}{event_f[1]:>8}")
    lines.append("In brackets: 90 % intervals by a bootstrap over minutes. Event F: macro mean, 500 ms.")
    return "\n".join(lines)
