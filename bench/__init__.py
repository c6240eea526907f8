"""How fast and how cheap the product is: every figure a ratio within one run, with the raw numbers beside it.

`make bench` runs all of it; `python -m bench cold retrieval` runs some. Nothing here is deployed.
"""
