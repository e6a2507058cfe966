"""The order of the house: a file imports only from lower floors, so that data flows one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hrin_plugin

PACKAGE = Path(__file__).parents[1] / "hrin_plugin"
RECIPES = PACKAGE.parent / "recipes"

FLOORS = [
    {"carrying", "checkpoints", "commands", "convolution", "detection", "display"}
    | {"doctor", "engines", "files", "folders", "memory", "padding", "progress", "recurrence", "taxonomy"}
    | {"timing", "violations"}
    | {"audio.chunks", "audio.mp3", "commands.options", "decoding.smoothing", "mixing.store"}
    | {"mixing.synthesis"},
    {"collection", "counts", "events", "features", "levels", "plots", "totals", "units"}
    | {"audio.recordings", "decoding.decisions", "decoding.methods", "mixing.loudness"},
    {"heads", "hierarchy_metrics", "losses", "metrics", "timeline", "windows"}
    | {"audio.ffmpeg", "audio.signals", "decoding.paper", "decoding.runs", "formats.drafts"}
    | {"formats.writing", "mixing.programme"},
    {"cache", "networks", "report_page", "results"}
    | {"audio.streams", "decoding.decoders", "formats.reading", "mixing.readme", "mixing.sources"}
    | {"mixing.treatment"},
    {"audio", "baselines", "brain", "decoding", "formats", "references"}
    | {"decoding.scores", "mixing.stems"},
    {"onnx_graph", "pretrained", "report"} | {"decoding.tuning", "mixing.excerpts"},
    {"onnx_model", "transfer", "trust"} | {"commands.evaluate", "commands.report", "mixing.completion"},
    {"backends"} | {"mixing.sets"},
    {"inference", "mixing"},
    {"archive"} | {"commands.mix"},
    {"commands.detect", "commands.export", "commands.plot", "commands.tune"},
    {"__main__", "cli"},
]


def imported_names(path):
    """Dotted names of all modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def modules():
    """Name of each module below the package to its file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def test_every_module_has_one_floor():
    on_floors = [name for floor in FLOORS for name in floor]
    assert sorted(on_floors) == sorted(modules())


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_lower_floors(module):
    floor = next(number for number, names in enumerate(FLOORS) if module in names)
    lower = set().union(*FLOORS[:floor])
    imported = {name for name in imported_names(modules()[module]) if name.split(".")[0] == "hrin_plugin"}
    assert {name.removeprefix("hrin_plugin.") for name in imported} <= lower


def test_the_package_never_imports_a_recipe():
    of_recipes = {path.stem for path in RECIPES.glob("*/*.py")} | {
        path.parent.name for path in RECIPES.rglob("*.py")
    }
    for path in modules().values():
        assert not {name.split(".")[0] for name in imported_names(path)} & of_recipes


def test_every_public_name_is_there():
    for name in hrin_plugin.__all__:
        assert getattr(hrin_plugin, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = hrin_plugin.nothing


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, hrin_plugin; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_only_metrics_imports_sed_eval():
    importers = {
        module
        for module, path in modules().items()
        if any(name.split(".")[0] == "sed_eval" for name in imported_names(path))
    }
    assert importers == {"metrics"}
