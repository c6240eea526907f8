"""The soak test: archive thousands of tickets on the local stack while vendor, AWS and workers fail."""
