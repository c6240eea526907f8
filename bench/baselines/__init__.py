"""Handlers that cold starts are compared with. They are copied out of here: a function has nothing but its own code."""
