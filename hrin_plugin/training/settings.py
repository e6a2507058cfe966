"""The settings of a run as plain values, for comparison of runs."""

import json
import math
import re

import yaml
from hyperpyyaml.core import resolve_references
from ruamel.yaml.error import YAMLError

from hrin_plugin.training.checksums import checksums_in
from hrin_plugin.training.openbmat import identify_data

#: Settings that cannot change results: paths, and how the work is organised. Data sets are compared by
#: :func:`identify_data`, independent of their folder.
HARMLESS = {
    *("data_folder", "stems_folder", "results_folder", "prepared_folder", "output_folder", "save_folder"),
    *("train_log", "save_file", "checkpoints_dir", "cache_features", "features_in_memory"),
    *("num_workers", "pin_memory", "prefetch_factor", "persistent_workers"),
    *("ckpt_interval_minutes", "ckpt_interval_steps", "device", "distributed_backend"),
    *("noprogressbar", "tqdm_colored_bar", "log_config", "debug_persistently", "find_unused_parameters"),
    *("profile_training", "profile_warmup", "profile_steps", "param_file"),
    *("save_environment", "commit", "log_interval_steps", "save_interval_min", "hub"),
}
#: Entries that only say where figures are written.
LOGGERS = {"logger", "train_logger"}
#: Settings that have words of their own, or in which runs of an experiment differ by design.
TOLD = ("data", "annotator", "md_from", "fold", "seed", "debug", "debug_persistently")


def resolve_settings(hparams_file, run_opts, overrides, identify=identify_data, data_key="data_folder"):
    """Every setting of a run: the hyperparameter file with its overrides, run options, and the data.

    The file is only parsed; nothing is built.

    Arguments
    ---------
    hparams_file : str or pathlib.Path
        The hyperparameter file.
    run_opts : speechbrain.utils.run_opts.RunOptions
        SpeechBrain's options from the command line.
    overrides : str or dict
        Values that override those of the file.
    identify : callable
        :func:`identify_data`, or one for other data.
    data_key : str
        The entry that names the folder of the data.

    Returns
    -------
    dict of str to (str, int, float, bool or None)
        Values by dotted names, such as "model.hidden_size".

    Raises
    ------
    ValueError
        If an override names an unknown entry.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> path = getfixture("tmp_path") / "net.yaml"
    >>> _ = path.write_text("size: 3\\nmodel: !new:torch.nn.Linear\\n    in_features: !ref <size>\\n")
    >>> resolve_settings(path, SimpleNamespace(overridden_args=()), "size: 4")
    {'size': 4, 'model': '!new:torch.nn.Linear', 'model.in_features': 4, 'data': 'miniature'}
    """
    settings = read_hparams(hparams_file, overrides)
    defaults = type(run_opts)()
    for name in sorted(run_opts.overridden_args):
        if name in settings or getattr(run_opts, name) != getattr(defaults, name):
            settings[name] = getattr(run_opts, name)
    try:
        settings["data"] = identify(
            settings.get(data_key),
            settings.get("annotator", "a"),
            settings.get("md_from", "mrle"),
            checksums_in(settings.get("prepared_folder") or settings.get("results_folder")),
        )
    except OSError:
        # What is wrong with it is said by the preparation.
        settings["data"] = "unreadable"
    return settings


def read_hparams(hparams_file, overrides):
    """Every entry of a hyperparameter file with its overrides, by dotted names; nothing is built.

    Arguments
    ---------
    hparams_file : str or pathlib.Path
        The hyperparameter file.
    overrides : str or dict
        Values that override those of the file.

    Returns
    -------
    dict of str to (str, int, float, bool or None)
        As :func:`resolve_settings` gives them, without run options and data.

    Raises
    ------
    ValueError
        If an override names an unknown entry.

    Example
    -------
    >>> path = getfixture("tmp_path") / "net.yaml"
    >>> _ = path.write_text("size: 3\\nclipping: .inf\\n")
    >>> read_hparams(path, "size: 4")
    {'size': 4, 'clipping': '.inf'}
    """
    with open(hparams_file, encoding="utf-8") as file:
        try:
            text = resolve_references(file, overrides, overrides_must_match=True).read()
        except KeyError as error:
            raise ValueError(f"{hparams_file}: {error.args[0]}") from None
        except YAMLError as error:
            raise ValueError(f"{hparams_file}, or what is to override it, cannot be read: {error}") from None
    return dict(_flatten(yaml.compose(text)))


def replace_overrides(overrides, **values):
    """Overrides with some values set.

    Arguments
    ---------
    overrides : str
        As SpeechBrain's ``parse_arguments`` gives them, an entry a line.
    **values
        Entries to set.

    Returns
    -------
    str
        The same with these entries.

    Example
    -------
    >>> replace_overrides("lr: 0.1\\nlogger: wandb", logger="file")
    'lr: 0.1\\nlogger: "file"'
    """
    lines = [line for line in overrides.splitlines() if line.partition(":")[0] not in values]
    return "\n".join([*lines, *(f"{name}: {json.dumps(value)}" for name, value in values.items())])


def comparable(settings):
    """The settings that affect the results.

    Arguments
    ---------
    settings : dict
        As :func:`resolve_settings` gives them.

    Returns
    -------
    dict
        Those that are not :data:`HARMLESS`.

    Example
    -------
    >>> comparable({"lr": 0.1, "train_dataloader_opts.num_workers": 4, "output_folder": "a"})
    {'lr': 0.1}
    """
    return {
        name: value
        for name, value in settings.items()
        if name.rpartition(".")[2] not in HARMLESS and name.partition(".")[0] not in LOGGERS
    }


def describe_changes(before, now):
    """The differences between two sets of settings, as text.

    Arguments
    ---------
    before, now : dict
        As :func:`comparable` gives them.

    Returns
    -------
    list of str
        One for each setting that differs.

    Example
    -------
    >>> describe_changes({"lr": 0.1, "beta": 1.0, "adam.lr": 0.1}, {"lr": 0.2, "beta": 1, "adam.lr": 0.2})
    ['lr was 0.1, is now 0.2']
    >>> describe_changes({"model": "!new:hrin_plugin.networks.HRIN"}, {"model": "!new:hrin_plugin.HRIN"})
    []
    """
    before = comparable(before)  # an earlier release may have recorded more
    return [f"{name} was {was}, is now {now_is}" for name, was, now_is in changed_settings(before, now)]


def changed_settings(before, now):
    """The settings in which two sets differ.

    Arguments
    ---------
    before, now : dict
        As :func:`comparable` gives them.

    Returns
    -------
    list of tuple of (str, object, object)
        Name, value before and value now; "absent" where one has none.

    Example
    -------
    >>> changed_settings({"lr": 0.1}, {"lr": 0.1, "precision": "bf16"})
    [('precision', 'absent', 'bf16')]
    """
    names = sorted(before.keys() | now.keys())
    pairs = {name: (before.get(name, "absent"), now.get(name, "absent")) for name in names}
    changed = {name: pair for name, pair in pairs.items() if _without_room(pair[0]) != _without_room(pair[1])}
    # Values that only refer to another, such as those of an optimizer, are no news.
    causes = [pair for name, pair in changed.items() if "." not in name]
    return [
        (name, was, now_is)
        for name, (was, now_is) in changed.items()
        if "." not in name or (was, now_is) not in causes
    ]


def deviations(of_yaml, settings):
    """Each setting of a run that its YAML has otherwise, as text; those of :data:`TOLD` are left out.

    Arguments
    ---------
    of_yaml, settings : dict
        As :func:`comparable` gives them.

    Returns
    -------
    list of str
        One for each.

    Example
    -------
    >>> deviations({"lr": 0.1, "fold": 0}, {"lr": 0.2, "fold": 3})
    ['lr 0.2 (YAML: 0.1)']
    """
    known = [
        {name: value for name, value in each.items() if name not in TOLD} for each in (of_yaml, settings)
    ]
    return [f"{name} {now} (YAML: {was})" for name, was, now in changed_settings(*known)]


def format_numbers(numbers):
    """Numbers as a list of numbers and ranges, the opposite of :func:`parse_numbers`.

    Example
    -------
    >>> format_numbers({0, 1, 2, 3, 7})
    '0-3,7'
    """
    runs = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in runs)


def parse_numbers(text, limit=None):
    """Numbers from a list of numbers and ranges.

    Arguments
    ---------
    text : str
        Such as "0-3,7".
    limit : int or None
        All must be below it.

    Returns
    -------
    list of int
        Each number once, in ascending order.

    Raises
    ------
    ValueError
        If the text is not such a list, or a number is too great.

    Example
    -------
    >>> parse_numbers("7,0-3,2")
    [0, 1, 2, 3, 7]
    """
    numbers = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if not match:
            raise ValueError(f"{text!r} is no list of numbers such as 0-3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{text!r}: the range {part.strip()} runs backwards")
        numbers.update(range(first, last + 1))
    if limit is not None and max(numbers) >= limit:
        raise ValueError(f"{text!r}: {max(numbers)} is too great; use 0 to {limit - 1}")
    return sorted(numbers)


def _without_room(value):
    """A setting's value; classes of this package by their bare name, since modules have moved."""
    if isinstance(value, str) and value.startswith(("!new:hrin_plugin.", "!name:hrin_plugin.")):
        return value.rpartition(".")[2]
    return value


def _flatten(node, name="", seen=None):
    """Dotted names and values of a YAML node; the tag of a collection is a value too."""
    seen = {} if seen is None else seen
    if isinstance(node, yaml.ScalarNode):
        yield name, node.tag + node.value if node.tag.startswith("!") else _value(node)
        return
    if id(node) in seen:
        yield name, f"!ref <{seen[id(node)]}>"
        return
    seen[id(node)] = name
    if node.tag.startswith("!"):
        yield name, node.tag
    if isinstance(node, yaml.MappingNode):
        items = [(key.value, value) for key, value in node.value]
    else:
        items = [(str(index), value) for index, value in enumerate(node.value)]
    for key, value in items:
        # A call without a result to name, as that which sets the seed.
        if not key.startswith("__"):
            yield from _flatten(value, f"{name}.{key}" if name else key, seen)


def _value(node):
    """A scalar's value; numbers are numbers however they are written."""
    if node.style:
        return node.value
    value = yaml.safe_load(node.value)
    if isinstance(value, str):
        try:
            value = float(value)  # 1e-4, which YAML 1.1 takes for a word
        except ValueError:
            return value
    if isinstance(value, float) and not math.isfinite(value):
        return node.value  # JSON has no word for it
    return value if isinstance(value, (int, float, bool, type(None))) else node.value
