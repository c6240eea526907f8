"""Forward ports that containers can reach to 127.0.0.1: `python -m local.forwarder '{"listen": …}'`."""

import asyncio
import contextlib
import ipaddress
import json
import socket
import ssl
import sys
from collections.abc import Mapping

from local.processes import LOOPBACK

CHUNK_BYTES = 2**16


async def forward(
    listen: str, network: str, plain: Mapping[str, int], tls: Mapping[str, int], authority: str | None
) -> None:
    """Forward ports at the address `listen` to ports on the loopback. Raises OSError if a port cannot be opened.

    Peers of `network` and this machine itself may connect. `tls` ports are forwarded over TLS, trusting `authority`: a
    container then needs no certificate, and the emulator, which enforces the bucket's TLS-only statement, sees HTTPS.
    """
    trust = ssl.create_default_context(cafile=authority)
    peers = ipaddress.IPv4Network(network)

    async def serve(port: str, target: int, context: ssl.SSLContext | None) -> asyncio.Server:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                if is_allowed(writer.get_extra_info("peername")[0], peers):
                    await _join(reader, writer, target, context)
            writer.close()

        return await asyncio.start_server(on_connection, listen, int(port))

    servers = [await serve(*pair, None) for pair in plain.items()]
    servers += [await serve(*pair, trust) for pair in tls.items()]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def is_allowed(peer: str, network: ipaddress.IPv4Network) -> bool:
    """Whether the peer is in the network, or this machine: Docker's NAT shows it under any of its addresses."""
    if ipaddress.IPv4Address(peer) in network:
        return True
    with socket.socket() as probe:
        try:
            probe.bind((peer, 0))
        except OSError:
            return False
    return True


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int, context: ssl.SSLContext | None
) -> None:
    """Copy bytes both ways until either side closes."""
    far_reader, far_writer = await asyncio.open_connection(LOOPBACK, target, ssl=context)
    copies = [asyncio.create_task(_copy(reader, far_writer)), asyncio.create_task(_copy(far_reader, writer))]
    _, pending = await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    for copy in pending:
        copy.cancel()
    await asyncio.gather(*copies, return_exceptions=True)
    far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


if __name__ == "__main__":
    asyncio.run(forward(**json.loads(sys.argv[1])))
