"""Forward ports from an address that containers can reach to 127.0.0.1: `python -m local.forwarder --listen …`.

Peers of `--network` and this machine itself may connect. `--tls` ports are forwarded over TLS: a container then needs
no certificate, and the emulator, which enforces the bucket's TLS-only statement, sees HTTPS.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import signal
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 2**16

PortPair = tuple[int, int]
"""The port to listen on, and the port on the loopback."""


async def forward(
    listen: str,
    network: ipaddress.IPv4Network,
    plain: Iterable[PortPair],
    tls: Iterable[PortPair],
    authority: Path | None,
) -> None:
    """Forward until SIGTERM or SIGINT. Raises OSError if a port cannot be opened."""
    trust = ssl.create_default_context(cafile=authority) if authority else None

    async def serve(port: int, target: int, context: ssl.SSLContext | None) -> asyncio.Server:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                if is_allowed(writer.get_extra_info("peername")[0], network):
                    await _join(reader, writer, target, context)
            writer.close()

        return await asyncio.start_server(on_connection, listen, port)

    servers = [await serve(*pair, None) for pair in plain] + [await serve(*pair, trust) for pair in tls]
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    await done.wait()
    for server in servers:
        server.close()


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
    try:
        copies = [asyncio.create_task(_copy(reader, far_writer)), asyncio.create_task(_copy(far_reader, writer))]
        _, pending = await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        for copy in pending:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
    finally:
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


def _port_pair(text: str) -> PortPair:
    port, _, target = text.partition(":")
    return int(port), int(target)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.forwarder", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--listen", required=True, metavar="ADDRESS")
    parser.add_argument("--network", required=True, type=ipaddress.IPv4Network)
    parser.add_argument("--port", type=_port_pair, action="append", default=[], metavar="PORT:TARGET")
    parser.add_argument("--tls", type=_port_pair, action="append", default=[], metavar="PORT:TARGET")
    parser.add_argument(
        "--authority", type=Path, metavar="FILE", help="CA that signed the certificate of --tls targets"
    )
    options = parser.parse_args()
    asyncio.run(forward(options.listen, options.network, options.port, options.tls, options.authority))


if __name__ == "__main__":
    main()
