"""Draws the pictures of docs/reuse.md from the taxonomy and the heads themselves.

> python docs/make_pictures.py
"""

import sys
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from hrin_plugin.files import replacing
from hrin_plugin.networks.heads import HierarchicalHeads
from hrin_plugin.taxonomy import MUSIC_LOUDNESS, Taxonomy

SOUNDS = Taxonomy(
    levels=[["machine", "animal", "music"], ["drilling", "engine_idling", "dog_bark", "street_music"]],
    parents=[
        {"drilling": "machine", "engine_idling": "machine", "dog_bark": "animal", "street_music": "music"}
    ],
)
#: Told apart by readers with any colour vision (Okabe and Ito).
EXCESS, MISMATCH, ENCODER, UNIT, LINEAR = "#0072b2", "#d55e00", "#e8eaed", "#cfe6f5", "#fbe3d3"
INK = "#333333"


def draw_taxonomies(taxonomies):
    """Draw taxonomies beside each other, each child tied to its parent by its penalty.

    Arguments
    ---------
    taxonomies : mapping of str to Taxonomy
        Title of each picture to what it shows.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Example
    -------
    >>> len(draw_taxonomies({"music": MUSIC_LOUDNESS}).axes)
    1
    """
    widths = [taxonomy.sizes[-1] for taxonomy in taxonomies.values()]
    depth = max(len(taxonomy.levels) for taxonomy in taxonomies.values())
    figure = Figure(figsize=(1.65 * sum(widths), 1.3 * depth + 0.5), layout="constrained")
    panels = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    for panel, (title, taxonomy) in zip(panels, taxonomies.items()):
        _draw_tree(panel, taxonomy)
        panel.set_title(title, color=INK, fontsize=11)
    lines = [panels[0].plot([], [], color=colour, linewidth=2)[0] for colour in (EXCESS, MISMATCH)]
    rules = [
        "one of several children: at most its parent,  max(0, child − parent)²",
        "an only child: equal to its parent,  ½ (child − parent)²",
    ]
    figure.legend(lines, rules, loc="outside lower center", frameon=False, labelcolor=INK)
    return figure


def _draw_tree(panel, taxonomy):
    """Boxes of a taxonomy's classes in rows, and lines between them."""
    depth = len(taxonomy.levels)
    columns = _columns(taxonomy)
    for level in range(1, depth):
        for child, (parent, alone) in enumerate(
            zip(taxonomy.parent_indices(level), taxonomy.only_children(level))
        ):
            xs = columns[level - 1][parent], columns[level][child]
            colour, sign = (MISMATCH, "=") if alone else (EXCESS, "≥")
            panel.plot(xs, (1 - level, -level), color=colour, linewidth=2, zorder=1)
            style = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            panel.text(sum(xs) / 2, 0.5 - level, sign, color=colour, ha="center", va="center", bbox=style)
    for level, names in enumerate(taxonomy.levels):
        for name, column in zip(names, columns[level]):
            _box(panel, column, -level, name, "white")
        panel.text(-0.65, -level, f"level {level + 1}", color=INK, ha="right", va="center", fontsize=9)
    panel.set(xlim=(-1.2, taxonomy.sizes[-1] - 0.4), ylim=(0.4 - depth, 0.4))
    panel.axis("off")


def _columns(taxonomy):
    """Horizontal place of each class: the lowest level family by family, parents in the middle."""
    last = len(taxonomy.levels) - 1
    lines = []
    for leaf in range(taxonomy.sizes[last]):
        line = [leaf]
        for level in range(last, 0, -1):
            line.insert(0, taxonomy.parent_indices(level)[line[0]])
        lines.append(line)
    lines.sort()
    columns = []
    for level, size in enumerate(taxonomy.sizes):
        places = [[at for at, line in enumerate(lines) if line[level] == index] for index in range(size)]
        columns.append([sum(own) / len(own) for own in places])
    return columns


def draw_heads(input_size, taxonomy, hidden_size):
    """Draw both styles of heads with the sizes of their layers.

    Arguments
    ---------
    input_size : int
        Values of the encoder's frames.
    taxonomy : Taxonomy
        The levels and their classes.
    hidden_size : int
        Size of one direction's recurrent state.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Example
    -------
    >>> len(draw_heads(40, MUSIC_LOUDNESS, 10).axes)
    2
    """
    plain = HierarchicalHeads(input_size, taxonomy)
    recurrent = HierarchicalHeads(input_size, taxonomy, "recurrent", hidden_size=hidden_size)
    figure = Figure(figsize=(5.2 * len(taxonomy.levels), 4.4), layout="constrained")
    for panel, heads in zip(figure.subplots(1, 2), (plain, recurrent)):
        panel.set_title(f'style: "{"recurrent" if heads.units else "plain"}"', color=INK, fontsize=11)
        _draw_head(panel, heads, input_size)
    return figure


def _draw_head(panel, heads, input_size):
    """One style: the encoder below, a column for each level."""
    n_levels = len(heads.layers)
    middle = (n_levels - 1) / 2
    axes = "[batch, frame, {}]" if heads.units else "[batch, (frame,) {}]"
    _box(panel, middle, 0, f"your encoder\n{axes.format(input_size)}", ENCODER, pad=0.9)
    for level, linear in enumerate(heads.layers):
        below = (middle + 0.3 * (level - middle), 0.25)
        if heads.units:
            rnn = heads.units[level].rnn
            _arrow(panel, below, (level, 0.86))
            _box(panel, level, 1.1, f"GRU, both ways\n{rnn.input_size} → {2 * rnn.hidden_size}", UNIT)
            if level:
                _arrow(panel, (level - 0.74, 1.1), (level - 0.26, 1.1))
            below = (level, 1.34)
        _arrow(panel, below, (level, 1.86))
        _box(panel, level, 2.1, f"linear\n{linear.in_features} → {linear.out_features}", LINEAR)
        _arrow(panel, (level, 2.34), (level, 2.7))
        names = "\n".join(heads.taxonomy.levels[level])
        panel.text(
            level, 2.75, f"level {level + 1}\n{names}", color=INK, ha="center", va="bottom", fontsize=9
        )
    panel.set(xlim=(-0.6, n_levels - 0.4), ylim=(-0.4, 3.6))
    panel.axis("off")


def _box(panel, x, y, text, colour, pad=0.55):
    """Text in a rounded box."""
    style = {"boxstyle": f"round,pad={pad}", "facecolor": colour, "edgecolor": INK, "linewidth": 0.8}
    panel.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, bbox=style, zorder=2)


def _arrow(panel, start, end):
    """An arrow between two points."""
    panel.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0})


def main(folder):
    """Write taxonomy.svg and heads.svg, the same bytes each time."""
    pictures = {
        "taxonomy.svg": draw_taxonomies({"music and its loudness": MUSIC_LOUDNESS, "four sounds": SOUNDS}),
        "heads.svg": draw_heads(40, MUSIC_LOUDNESS, 50),
    }
    # Text stays text, and nothing depends on the time.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hrin"}):
        for name, figure in pictures.items():
            with replacing(Path(folder) / name) as draft:
                figure.savefig(draft, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
