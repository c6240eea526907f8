"""The one local stack that the end-to-end tests share."""

from tests.support.stack import stack

__all__ = ["stack"]
