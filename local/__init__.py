"""What runs on a developer's machine only: the local stack, the vendor simulator, the demo."""
