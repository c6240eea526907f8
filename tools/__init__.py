"""What is run over the repository, and is no part of what is deployed."""
