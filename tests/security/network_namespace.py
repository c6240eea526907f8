"""A Linux network namespace without a route out, with Lambda's private addresses on its loopback interface."""

import ctypes
import fcntl
import os
import socket
import struct
import threading
from contextlib import suppress

PRIVATE = ("127.0.0.1", "169.254.169.254", "169.254.170.2", "10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1")
PORTS = (80, 443, 8080, 9001)
"""9001 is Lambda's Runtime API."""

_NEW_USER, _NEW_NET = 0x1000_0000, 0x4000_0000
_SET_ADDRESS, _SET_FLAGS, _UP_AND_RUNNING = 0x8916, 0x8914, 0x41


def enter() -> None:
    """Move this process, which must have one thread, into a new namespace. Raises PermissionError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_USER | _NEW_NET) != 0:
        raise PermissionError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))
        for number, address in enumerate(PRIVATE[1:]):
            family_and_address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SET_ADDRESS, struct.pack("16s16s", f"lo:{number}".encode(), family_and_address))


class Listener:
    """Counts connections, and responds to each with 200."""

    def __init__(self, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.name = f"{address} {port}"
        self.connections = 0
        self._socket = socket.create_server((address, port), family=family, backlog=64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            self.connections += 1
            with connection, suppress(OSError):
                connection.settimeout(2)
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
