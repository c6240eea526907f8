"""Write manifests and superseded details. Both writes may be repeated: the same bytes go to the same key."""

from ticket_archive.bucket import Bucket
from ticket_archive.details import compressed
from ticket_archive.keys import details_key, manifest_key
from ticket_archive.manifest import write_manifest
from ticket_archive.models import TicketItem
from ticket_archive.retention import expires
from ticket_archive.telemetry import logger


def keep_superseded_details(bucket: Bucket, item: TicketItem, state: TicketItem) -> None:
    """Store the details of the version that is about to be replaced, so that every version stays readable."""
    if item.version is None or not item.details_sha256 or item.details_sha256 == state.details_sha256:
        return
    if (body := compressed(item.attributes)) is not None:
        key = details_key(item.ticket, item.details_sha256)
        bucket.store(key, body, "application/gzip", expiring=expires(item.expires_at))


def publish(bucket: Bucket, item: TicketItem) -> None:
    """Write the manifest of the item's state unless it exists."""
    if item.version is None or item.archived_at is None:
        return
    key = manifest_key(item.ticket, item.version)
    if bucket.create(key, write_manifest(item), "application/json", expiring=expires(item.expires_at)):
        logger.info("manifest written", extra={"ticket": item.ticket, "version": item.version})
