"""The house: rooms in the order of the data's flow, public names, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hrin_plugin

PACKAGE = Path(__file__).parents[1] / "hrin_plugin"
RECIPES = PACKAGE.parent / "recipes"


def imported_names(path):
    """First parts of the names of all modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
    return names


def importable(folder):
    """What a script finds beside itself."""
    return {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/*.py")}


def test_rooms_import_in_the_order_of_the_flow():
    run = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(run, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("folder", [path for path in sorted(RECIPES.iterdir()) if path.is_dir()])
def test_a_recipe_imports_the_package_and_what_lies_beside_it(folder):
    others = set().union(*(importable(other) for other in RECIPES.iterdir() if other != folder))
    for path in folder.rglob("*.py"):
        assert not imported_names(path) & (others - importable(folder)), path


def test_the_package_never_imports_a_recipe():
    of_recipes = set().union(*(importable(folder) for folder in RECIPES.iterdir()))
    for path in PACKAGE.rglob("*.py"):
        assert not imported_names(path) & of_recipes, path


def test_every_room_says_what_comes_in_and_what_goes_out():
    for path in PACKAGE.glob("*/__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_every_public_name_is_there():
    for name in hrin_plugin.__all__:
        assert getattr(hrin_plugin, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = hrin_plugin.nothing


@pytest.mark.parametrize(
    "name", ["losses.HierarchicalLoss", "checkpoints.AtomicCheckpointer", "heads.HierarchicalHeads"]
)
def test_yaml_files_of_earlier_releases_find_what_they_name(name):
    from hyperpyyaml import load_hyperpyyaml

    loaded = load_hyperpyyaml(f"made: !name:hrin_plugin.{name}\n")
    assert loaded["made"] is getattr(hrin_plugin, name.partition(".")[2])


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, hrin_plugin; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_only_the_scores_import_sed_eval():
    importers = [path.stem for path in PACKAGE.rglob("*.py") if "sed_eval" in imported_names(path)]
    assert importers == ["scores"]
