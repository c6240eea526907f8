"""Preventor's REST API."""
