"""Tools that check the repository. They are not deployed."""
