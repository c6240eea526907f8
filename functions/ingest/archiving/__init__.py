"""Use cases: archive a ticket, process a message, requeue incomplete tickets."""
