"""The order of the house: a file imports only from lower floors, so that data flows one way."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hrin_plugin"

FLOORS = [
    {"taxonomy", "timing", "recurrence", "store", "memory", "doctor"},
    {"events", "audio", "features", "units", "heads", "losses", "checkpoints", "counts", "violations"}
    | {"loudness", "synthesis"},
    {"networks", "decoding", "metrics", "cache", "programme", "sources"},
    {"pretrained", "results", "stems", "readme"},
    {"brain", "excerpts"},
    {"completion"},
    {"mixing"},
    {"cli", "__main__"},
]


def imported_modules(path):
    """Names of the package's modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hrin_plugin"):
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return names


def modules():
    return sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def test_every_module_has_one_floor():
    on_floors = [name for floor in FLOORS for name in floor]
    assert sorted(on_floors) == modules()


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_lower_floors(module):
    floor = next(number for number, names in enumerate(FLOORS) if module in names)
    lower = set().union(*FLOORS[:floor])
    assert imported_modules(PACKAGE / f"{module}.py") <= lower


def test_the_package_never_imports_a_recipe():
    for path in PACKAGE.glob("*.py"):
        assert "openbmat" not in ast.dump(ast.parse(path.read_text(encoding="utf-8")).body[1]).lower()
