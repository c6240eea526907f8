"""The retrieval function: serves archived tickets and presigned URLs of their files."""
