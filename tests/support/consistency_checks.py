"""Compare archived tickets with the simulator's, byte by byte, by reading the table and the bucket directly."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from local.simulator import exactly
from tests.support.stack import LocalStack
from ticket_archive.bucket import Bucket
from ticket_archive.details import read_stored_details
from ticket_archive.models import ImageType, TicketItem
from ticket_archive.table import TicketTable


class ConsistencyChecks:
    """Compares tickets; safe to use from many threads."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.table = TicketTable(stack.dynamodb, stack.at.table)
        self._bucket = Bucket(stack.s3, stack.at.bucket)

    def manifests(self, ticket: str) -> list[str]:
        """Return the keys of a ticket's manifests."""
        return sorted(key for key in self._versions(ticket) if "/manifests/" in key)

    def differences(self, ticket: str, states: int = 1) -> list[str]:
        """Return the differences in words without personal data. `states` is how many states the ticket has had."""
        item = self.table.get(ticket)
        if item is None:
            return ["unknown to the table"]
        if item.state != "archived":
            return [f"its state is {item.state.value}, {item.attributes.get('last_error')}"]
        expected = self._stack.vendor("expected", ticket=ticket)
        versions = self._versions(ticket)
        return [
            *self._item(item, expected),
            *self._images(item, expected, versions),
            *self._manifests(item, versions, states),
            *(f"{count} versions of {key}" for key, count in versions.items() if count != 1),
        ]

    def _item(self, item: TicketItem, expected: Mapping[str, Any]) -> list[str]:
        found = []
        if item.outcome != expected["outcome"]:
            found.append(f"outcome {item.outcome}")
        if item.attributes.get("customer") != expected["customer"]:
            found.append("another customer")
        if exactly(read_stored_details(item.attributes, self._bucket)) != expected["details"]:
            found.append("other details")
        if left := {"resume", "last_error", "pending"} & item.attributes.keys():
            found.append(f"left over: {sorted(left)}")
        if item.attributes.get("incomplete") == "yes":
            found.append("listed as incomplete")
        if item.complete is bool(expected["unusable"]):
            found.append(f"complete: {item.complete}")
        states = {kind: "stored" if images else "absent" for kind, images in expected["images"].items()}
        states |= dict.fromkeys(expected["unusable"], "unrecognized")
        if dict(item.types) != states:
            found.append("types " + ", ".join(f"{kind.value} {state.value}" for kind, state in item.types.items()))
        return found

    def _images(self, item: TicketItem, expected: Mapping[str, Any], versions: Mapping[str, int]) -> list[str]:
        found = []
        for kind in ImageType:
            ours = [image for image in item.images if image.type.value == kind.value]
            if [image.index for image in ours] != list(range(len(ours))):
                found.append(f"{kind}: not in order")
            properties = [(image.sha256, image.bytes, image.content_type) for image in ours]
            theirs = [(each["sha256"], each["bytes"], each["content_type"]) for each in expected["images"][kind]]
            if properties != theirs:
                found.append(f"{kind}: other images")
        keys = {image.key: image for image in item.images}
        if keys.keys() != {key for key in versions if "/images/" in key}:
            found.append("other objects than images")
        for key, image in keys.items():
            if key in versions:
                stored = self._stack.s3.get_object(Bucket=self._stack.at.bucket, Key=key)
                if hashlib.sha256(stored["Body"].read()).hexdigest() != image.sha256:
                    found.append(f"{image.type.value} {image.index}: other bytes")
                if stored["ContentType"] != image.content_type:
                    found.append(f"{image.type.value} {image.index}: another content type")
        return found

    def _manifests(self, item: TicketItem, versions: Mapping[str, int], states: int) -> list[str]:
        """Return differences from one manifest for each state, in a chain that ends at the item."""
        keys = {key for key in versions if "/manifests/" in key}
        found = [] if len(keys) == states else [f"{len(keys)} manifests, not {states}"]
        version, newest = item.version, True
        while version is not None:
            key = f"tickets/{item.ticket}/manifests/{version}.json"
            if key not in keys:
                return [*found, "a manifest is missing"]
            keys.remove(key)
            manifest = json.loads(self._bucket.read(key))
            if newest and (manifest["outcome"], manifest["images"], manifest["details"]["sha256"]) != (
                item.outcome,
                [image.model_dump() for image in item.images],
                item.details_sha256,
            ):
                found.append("the manifest has another state")
            version, newest = manifest["previous"], False
        return [*found, *(["a manifest that is not in the chain"] if keys else [])]

    def _versions(self, ticket: str) -> Counter[str]:
        """Return a ticket's keys with the number of their versions, delete markers included."""
        return Counter(each["Key"] for each in self._stack.versions(ticket))
