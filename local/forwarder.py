"""A way from Docker's bridge to the loopback: `python -m local.forwarder --listen … --network … --port …`.

Every port given is opened at the bridge's address and led to the same port on 127.0.0.1, for peers of the bridge's own
network and for this machine itself, which follows signed URLs of that address. `--tls` ports are led on with TLS: so a
container needs no certificate, and the emulator, which enforces the bucket's TLS-only statement, is spoken to as ever.
What travels in clear does so within this machine.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import signal
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
CHUNK = 2**16


async def forward(
    listen: str, network: ipaddress.IPv4Network, ports: Sequence[int], tls_ports: Sequence[int], authority: Path | None
) -> None:
    """Forwards until SIGTERM or SIGINT. Raises OSError where an address cannot be had."""
    trust = ssl.create_default_context(cafile=authority) if authority else None

    async def serve(port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                if _may_come(writer.get_extra_info("peername")[0], network):
                    await _join(reader, writer, port, tls)
            writer.close()

        return await asyncio.start_server(on_connection, listen, port)

    servers = [await serve(port, None) for port in ports] + [await serve(port, trust) for port in tls_ports]
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    await done.wait()
    for server in servers:
        server.close()


def _may_come(peer: str, network: ipaddress.IPv4Network) -> bool:
    return ipaddress.IPv4Address(peer) in network or _is_this_machine(peer)


def _is_this_machine(address: str) -> bool:
    """Whether it can be bound to. Docker's NAT lets this machine appear under another of its own addresses."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, tls: ssl.SSLContext | None
) -> None:
    """Carries bytes both ways until one side has no more: HTTP clients and servers end a connection as a whole."""
    far_reader, far_writer = await asyncio.open_connection(LOOPBACK, port, ssl=tls)
    try:
        ways = [asyncio.create_task(_carry(reader, far_writer)), asyncio.create_task(_carry(far_reader, writer))]
        _, open_still = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in open_still:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    finally:
        far_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.forwarder", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--listen", required=True, metavar="ADDRESS")
    parser.add_argument("--network", required=True, type=ipaddress.IPv4Network)
    parser.add_argument("--port", type=int, action="append", default=[])
    parser.add_argument("--tls", type=int, action="append", default=[], metavar="PORT")
    parser.add_argument("--authority", type=Path, metavar="FILE", help="who signed the certificate of the --tls ports")
    options = parser.parse_args()
    asyncio.run(forward(options.listen, options.network, options.port, options.tls, options.authority))


if __name__ == "__main__":
    main()
