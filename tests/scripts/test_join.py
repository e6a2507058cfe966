"""Several sets as one."""

import pytest

from hrin_plugin.mixing import synthesise_miniature
from join import SPLITS, join_sets, main
from openbmat_prepare import prepare_openbmat


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for seed in (0, 1):
        synthesise_miniature(folder / str(seed), seed, n_excerpts=30, seconds=2.0)
    return [folder / "0", folder / "1"]


def rows(folder):
    return dict(line.split(",") for line in (folder / SPLITS).read_text().splitlines()[1:])


def test_a_joint_set_has_the_excerpts_of_all_in_their_folds(sets, tmp_path):
    assert join_sets(tmp_path, sets, scored=100) == 60
    assert rows(tmp_path) == rows(sets[0]) | rows(sets[1])
    for name in rows(sets[1]):
        for path in (f"audio/{name}.wav", f"annotations/tsv/RMLE_mapping/annotator_a/{name}.tsv"):
            assert (tmp_path / path).read_bytes() == (sets[1] / path).read_bytes()


def test_folds_that_are_scored_have_as_many_excerpts_of_each_set(sets, tmp_path):
    assert join_sets(tmp_path, sets, scored=4) == 60 - 4 * 3 + 2 * 4
    joint = rows(tmp_path)
    for fold in ("0", "1"):
        for part in sets:
            assert sum(joint.get(name) == fold for name in rows(part)) == 2
    assert {name for name, fold in joint.items() if fold not in ("0", "1")} == {
        name for part in sets for name, fold in rows(part).items() if fold not in ("0", "1")
    }


def test_a_joint_set_is_one_that_the_recipe_takes(sets, tmp_path):
    join_sets(tmp_path / "both", sets, scored=2)
    prepared = prepare_openbmat(tmp_path / "both", tmp_path / "prepared", fold=0)
    assert all(path.is_file() for path in map(type(tmp_path), prepared))


def test_joining_again_changes_nothing(sets, tmp_path):
    join_sets(tmp_path, sets, scored=4)
    before = (tmp_path / SPLITS).read_bytes()
    assert join_sets(tmp_path, sets, scored=4) == 56
    assert (tmp_path / SPLITS).read_bytes() == before


def test_a_set_is_not_joined_with_itself(sets, tmp_path):
    with pytest.raises(SystemExit, match="is in a set before it too; mix with another seed"):
        main([str(tmp_path), str(sets[0]), str(sets[0])])
    with pytest.raises(SystemExit, match="--scored is 1; give 2 or more"):
        main([str(tmp_path), *map(str, sets), "--scored", "1"])
