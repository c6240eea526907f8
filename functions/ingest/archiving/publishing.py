"""What an attempt writes to the bucket besides files: manifests, and details that are superseded or too large."""

import gzip

from ticket_archive.bucket import Bucket
from ticket_archive.details import Details, Placement, place, to_json
from ticket_archive.keys import details_key, manifest_key
from ticket_archive.manifest import write_manifest
from ticket_archive.retention import expires
from ticket_archive.table import TicketItem
from ticket_archive.telemetry import logger


class Publisher:
    """Writes objects that may be written again at any time: each has the same bytes under its key."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def place(self, ticket: str, details: Details, expires_at: int | None) -> Placement:
        """Store details that the item cannot hold, and return where they are."""
        placement = place(ticket, details)
        if placement.key is not None:
            expiring = expires(expires_at)
            self._bucket.store(placement.key, placement.body, "application/gzip", expiring=expiring)
        return placement

    def keep_superseded_details(self, item: TicketItem, state: TicketItem) -> None:
        """Store the details of the version that is about to be replaced, so that every version stays readable."""
        if item.version is None or not item.details_sha256 or item.details_sha256 == state.details_sha256:
            return
        attributes = item.attributes
        if "details" in attributes:
            body = gzip.compress(to_json(attributes["details"]), mtime=0)
        elif "details_packed" in attributes:
            body = attributes["details_packed"]
        else:
            return
        key = details_key(item.ticket, item.details_sha256)
        self._bucket.store(key, body, "application/gzip", expiring=expires(item.expires_at))

    def publish(self, item: TicketItem) -> None:
        """Write the manifest of the item's state unless it exists."""
        if item.version is None or item.archived_at is None:
            return
        key = manifest_key(item.ticket, item.version)
        if self._bucket.create(key, write_manifest(item), "application/json", expiring=expires(item.expires_at)):
            logger.info("manifest written", extra={"ticket": item.ticket, "version": item.version})
