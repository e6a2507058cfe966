"""Hyperparameter files as plain data, and what differs between two."""

from pathlib import Path

import yaml
from hyperpyyaml import resolve_references

OPENBMAT = Path(__file__).parents[1] / "recipes/OpenBMAT/hparams"


class TagsAsData(yaml.SafeLoader):
    """Reads what a file says without building any of it: a tag becomes the key '!'."""


def keep_tag(loader, suffix, node):
    if isinstance(node, yaml.MappingNode):
        return {"!": f"!{suffix}", **loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {"!": f"!{suffix}", "arguments": loader.construct_sequence(node, deep=True)}
    return {"!": f"!{suffix}", "value": loader.construct_scalar(node)}


TagsAsData.add_multi_constructor("!", keep_tag)


def resolved(stem, folder=OPENBMAT, **overrides):
    """A file with its references followed, as plain data."""
    with open(folder / f"{stem}.yaml", encoding="utf-8") as file:
        return yaml.load(resolve_references(file, overrides), TagsAsData)


def leaves(data, path=""):
    """Every value of nested mappings by its path."""
    if not isinstance(data, dict):
        return {path: data}
    return {
        name: value
        for key, item in data.items()
        for name, value in leaves(item, f"{path}/{key}" if path else key).items()
    }


def differences(stem, parent, folder=OPENBMAT):
    """Values of a file that are not its parent's, but for the output folder; a key that it lacks is None."""
    ours, theirs = (leaves(resolved(name, folder, output_folder="out")) for name in (stem, parent))
    return {key: ours.get(key) for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
