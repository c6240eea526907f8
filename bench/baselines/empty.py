"""The least that a function can be."""


def handler(_event: object, _context: object) -> dict[str, int]:
    """Answers."""
    return {"statusCode": 200}
