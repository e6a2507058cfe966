"""Hierarchies of any depth, and every fault by its name."""

import pytest
from hyperpyyaml import load_hyperpyyaml
from hypothesis import given

from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy
from taxonomies import random_taxonomies

LEVELS = [["quiet", "sound"], ["quiet", "music", "speech"], ["quiet", "fg", "bg", "speech"]]
PARENTS = [
    {"quiet": "quiet", "music": "sound", "speech": "sound"},
    {"quiet": "quiet", "fg": "music", "bg": "music", "speech": "speech"},
]


def test_indices_and_only_children_of_a_deep_hierarchy():
    deep = Taxonomy(LEVELS, PARENTS)
    assert deep.sizes == (2, 3, 4)
    assert [deep.parent_indices(level) for level in (1, 2)] == [(0, 1, 1), (0, 1, 1, 2)]
    assert deep.only_children(1) == (True, False, False)
    assert deep.only_children(2) == (True, False, False, True)


@given(random_taxonomies())
def test_indices_say_what_the_names_say(taxonomy):
    for level, (above, names, mapping) in enumerate(
        zip(taxonomy.levels, taxonomy.levels[1:], taxonomy.parents), start=1
    ):
        for name, parent, alone in zip(names, taxonomy.parent_indices(level), taxonomy.only_children(level)):
            assert above[parent] == mapping[name]
            assert alone == (sum(other == mapping[name] for other in mapping.values()) == 1)


def test_yaml_and_python_give_the_same_taxonomy():
    text = """
    taxonomy: !new:hrin_plugin.taxonomy.Taxonomy
        levels:
            - [no-music, music]
            - [no-music, fg-music, bg-music]
        parents:
            - {no-music: no-music, fg-music: music, bg-music: music}
    """
    loaded = load_hyperpyyaml(text)["taxonomy"]
    assert loaded == MUSIC_LOUDNESS and hash(loaded) == hash(MUSIC_LOUDNESS)


def test_changing_the_lists_afterwards_does_not_change_the_taxonomy():
    levels, parents = [list(names) for names in LEVELS], [dict(mapping) for mapping in PARENTS]
    taxonomy = Taxonomy(levels, parents)
    levels[0].append("noise")
    parents[1]["fg"] = "speech"
    assert taxonomy == Taxonomy(LEVELS, PARENTS)


def changed(level, name, parent):
    """The parents with one of them changed; None takes it away."""
    mappings = [dict(mapping) for mapping in PARENTS]
    mappings[level - 2][name] = parent
    if parent is None:
        del mappings[level - 2][name]
    return mappings


@pytest.mark.parametrize(
    ("levels", "parents", "message"),
    [
        (LEVELS, changed(3, "fg", None), "class 'fg' of level 3 has no parent; name one of .*'music'"),
        (
            LEVELS,
            changed(3, "fg", "jazz"),
            "class 'fg' of level 3 has the unknown parent 'jazz'; level 2 has",
        ),
        (
            LEVELS,
            changed(3, "fg", "sound"),
            "class 'fg' of level 3 has its parent 'sound' on level 1; level 2",
        ),
        (LEVELS, changed(2, "music", "bg"), "class 'music' of level 2 has its parent 'bg' on level 3"),
        (LEVELS, changed(3, "fg", "bg"), "class 'fg' of level 3 has its parent 'bg' on level 3"),
        (LEVELS, changed(3, "fg", "fg"), "class 'fg' of level 3 is its own ancestor, fg -> fg, a cycle"),
        (
            [["a"], ["b", "c", "d"]],
            [{"b": "c", "c": "d", "d": "b"}],
            "class 'b' of level 2 is its own ancestor, b -> c -> d -> b, a cycle",
        ),
        (LEVELS, changed(3, "jazz", "music"), "a parent is given for 'jazz', which is no class of level 3"),
        (
            LEVELS,
            [{"quiet": "quiet", "music": "sound", "speech": "sound"}] * 2,
            "class 'fg' of level 3 has no parent",
        ),
        ([["a", "b"], ["c"]], [{"c": "a"}], "class 'b' of level 1 has no child on level 2"),
        ([["a", "a"], ["b"]], [{"b": "a"}], "level 1 names the class 'a' more than once"),
        ([["a"], []], [{}], "level 2 has no class"),
        ([[], ["a"]], [{"a": "b"}], "level 1 has no class"),
        ([["a"]], [], "a taxonomy needs at least 2 levels, got 1"),
        ([["a"], ["b"]], [], "2 levels need 1 parent mappings, got 0"),
        (["ab", ["c"]], [{"c": "a"}], "a level is a list of class names, got 'ab'"),
        ([["a"], ["b"]], [["a"]], r"the parents of a level are a mapping of class to parent, got \['a'\]"),
        ([["a", ""], ["b"]], [{"b": "a"}], "level 1 has the class '', which is no text"),
    ],
)
def test_a_fault_is_named(levels, parents, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy(levels, parents)


@pytest.mark.parametrize(("word", "value"), [("true", "True"), ("null", "None"), ("2020", "2020")])
def test_a_word_that_yaml_does_not_take_for_text_is_named(word, value):
    text = (
        f"taxonomy: !new:hrin_plugin.taxonomy.Taxonomy {{levels: [[{word}], [a]], parents: [{{a: {word}}}]}}"
    )
    with pytest.raises(
        ValueError, match=f"level 1 has the class {value}, which is no text; put it in quotes"
    ):
        load_hyperpyyaml(text)
