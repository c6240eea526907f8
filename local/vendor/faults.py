"""Everything that a vendor may do wrong, by name."""

from local.vendor.network_faults import BROKEN_LINES
from local.vendor.response_faults import WRONG_ANSWERS

FAULTS = {**WRONG_ANSWERS, **BROKEN_LINES}
