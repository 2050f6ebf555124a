"""Speed and memory of the library, beside a limit from counted operations and bytes.

``make bench`` runs every measurement, each in a process of its own, and writes one file,
``results/benchmarks/NAME.json``. ``python -m benchmarks logistic --quick`` tries one of them.
"""
