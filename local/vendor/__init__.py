"""A simulator of the vendor: its API, webhooks and failures, on 127.0.0.1. The same seed gives the same tickets."""
