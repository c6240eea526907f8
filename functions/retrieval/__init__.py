"""The retrieval function: what was archived, out by signed URLs."""
