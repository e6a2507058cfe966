"""Broadcast-like sets with exact annotations, in the layout of OpenBMAT.

:func:`mix_set` mixes folders of recordings; :func:`synthesise_miniature` needs none.
From the bottom up: ``loudness`` and ``synthesis`` know sound, ``store`` keeps sources,
``sources`` finds and decodes them, ``programme`` draws what sounds when and its
labels, ``stems`` renders it, ``excerpts`` plans and writes a set's files, ``readme``
says how a set was made, ``completion`` makes what is missing, ``sets`` puts all together.
While a network trains, ``dynamic_plan`` draws and ``dynamic`` renders, from a ``stem_cache``.
"""

from hrin_plugin.mixing.sets import SYNTHESISED, mix_set, synthesise_miniature

__all__ = ["SYNTHESISED", "mix_set", "synthesise_miniature"]
