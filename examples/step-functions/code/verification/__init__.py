"""A state machine that verifies a person with the ticket archive."""
