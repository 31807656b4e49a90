"""Ratio benchmarks: `python -m loadtests.bench` measures every figure against a named baseline.

Each module of this folder holds `FIGURES`, a list of Figure; `harness` is the machinery. To add a
benchmark, copy start_up.py: name what is measured, the baseline, the target and, for comparison, peers.
"""
