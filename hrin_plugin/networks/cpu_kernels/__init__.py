"""Loops of a training on a CPU in C++, each in one pass over its numbers.

They are compiled at the first training step, where a C++ compiler is found, and kept in the user's cache.
``HRIN_CPU_KERNELS=off`` does without. Everything else takes the same numbers through torch.
"""
