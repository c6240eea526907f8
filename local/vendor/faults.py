"""Every fault, by name."""

from local.vendor.network_faults import NETWORK_FAULTS
from local.vendor.response_faults import RESPONSE_FAULTS

FAULTS = {**RESPONSE_FAULTS, **NETWORK_FAULTS}
