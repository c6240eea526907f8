"""The benchmark (`make bench`) and the capacity model (`make capacity`)."""
