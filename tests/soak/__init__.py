"""The soak: thousands of tickets through the local stack while the vendor, AWS and our own processes fail."""
