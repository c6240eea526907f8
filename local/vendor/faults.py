"""Everything that a vendor may do wrong, by name."""

from local.vendor.broken_lines import BROKEN_LINES
from local.vendor.wrong_answers import WRONG_ANSWERS

FAULTS = {**WRONG_ANSWERS, **BROKEN_LINES}
