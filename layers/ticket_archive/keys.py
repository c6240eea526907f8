"""The bucket's layout. A key is made of a checked ticket id, fixed words and hashes: nothing of the vendor's naming."""

from ticket_archive.models import ImageType


def image_key(ticket: str, image_type: ImageType, sha256: str, extension: str) -> str:
    """An image by its content: the same picture twice is one object."""
    return f"tickets/{ticket}/images/{image_type.value}/{sha256}.{extension}"


def details_key(ticket: str, sha256: str) -> str:
    """Details that the table cannot hold."""
    return f"tickets/{ticket}/details/{sha256}.json.gz"


def unrecognized_key(ticket: str, sha256: str) -> str:
    """A vendor body that was not understood."""
    return f"tickets/{ticket}/unrecognized/{sha256}"


def manifest_key(ticket: str, version: str) -> str:
    """The manifest of one state of a ticket: the object that downstream rules wait for."""
    return f"tickets/{ticket}/manifests/{version}.json"
