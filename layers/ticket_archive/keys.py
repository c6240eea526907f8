"""Object keys. They consist of the ticket id, fixed words and hashes; no name of the vendor's is part of a key."""

from ticket_archive.models import ImageType


def image_key(ticket: str, image_type: ImageType, sha256: str, extension: str) -> str:
    """Return the key of an image. It is content-addressed: identical images of a type are one object."""
    return f"tickets/{ticket}/images/{image_type.value}/{sha256}.{extension}"


def details_key(ticket: str, sha256: str) -> str:
    """Return the key of details that are kept in the bucket: too large for the table, or superseded."""
    return f"tickets/{ticket}/details/{sha256}.json.gz"


def unrecognized_key(ticket: str, sha256: str) -> str:
    """Return the key of a file or response body that could not be used."""
    return f"tickets/{ticket}/unrecognized/{sha256}"


def manifest_key(ticket: str, version: str) -> str:
    """Return the key of the manifest of one version of a ticket."""
    return f"tickets/{ticket}/manifests/{version}.json"
