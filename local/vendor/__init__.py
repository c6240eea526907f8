"""A simulator of the vendor: its API, webhooks and failures, on 127.0.0.1. The same seed gives the same tickets."""

from local.vendor.credential import Credential
from local.vendor.faults import FAULTS, Endpoint
from local.vendor.pictures import ImageType
from local.vendor.server import Simulator
from local.vendor.shapes import Absence, Shape
from local.vendor.tickets import State, Ticket, Tickets

__all__ = [
    "FAULTS",
    "Absence",
    "Credential",
    "Endpoint",
    "ImageType",
    "Shape",
    "Simulator",
    "State",
    "Ticket",
    "Tickets",
]
