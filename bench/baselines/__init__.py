"""What other people would write for the same job. Each module says what it leaves out."""
