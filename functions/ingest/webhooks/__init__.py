"""Webhook requests and the events in them. Pure: no I/O."""
