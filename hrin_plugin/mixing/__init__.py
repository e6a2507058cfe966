"""Recordings come in, broadcast-like data sets with exact annotations go out, in OpenBMAT's layout.

:func:`mix_set` mixes folders of recordings; :func:`synthesise_miniature` needs none.
From the bottom up: ``loudness`` and ``synthesis`` process audio, ``store`` holds sources,
``sources`` finds and decodes them, ``programme`` draws passages and labels, ``stems``
renders them, ``excerpts`` plans and writes files, ``readme`` documents a set,
``completion`` makes missing parts, and ``sets`` combines all.
During training, ``dynamic_plan`` draws and ``dynamic`` renders excerpts from a ``stem_cache``.
"""

from hrin_plugin.mixing.sets import SYNTHESISED, mix_set, synthesise_miniature

__all__ = ["SYNTHESISED", "mix_set", "synthesise_miniature"]
