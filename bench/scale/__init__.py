"""Scale on paper: what a ticket calls, how long a batch takes, what a queue does in a day, what it costs.

Pure arithmetic and two small simulations; `python -m bench.capacity` puts them together. Numbers that the template sets
are read from it, rules of the product's are imported from it, the rest stands in `inputs.py`, `limits.py`, `prices.py`.
"""
