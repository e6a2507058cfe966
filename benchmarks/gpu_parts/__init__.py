"""The parts of ``benchmarks/gpu.py``, a module each; each has a function ``measure``."""
