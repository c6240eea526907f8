"""One TLS context for all clients of AWS.

urllib3 reads the whole file of certificate authorities for each new connection, which takes 20 ms of CPU with OpenSSL 3
(https://github.com/urllib3/urllib3/issues/3623). botocore accepts no context from outside
(https://github.com/boto/botocore/issues/1822), so its factory is replaced. Ten first connections take 65 ms of CPU
instead of 360. Remove this module when `test_botocore_still_reads_the_authorities_for_each_connection` fails.
"""

import ssl
import threading
from functools import cache
from typing import Any

from botocore import httpsession
from urllib3.util.ssl_ import create_urllib3_context


@cache
def shared_context() -> ssl.SSLContext:
    """Return urllib3's context, changed to read each file of authorities once."""
    context = create_urllib3_context()
    load, lock, loaded = context.load_verify_locations, threading.Lock(), set[object]()

    def load_once(cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        with lock:
            if (cafile, capath, cadata) not in loaded:
                load(cafile, capath, cadata)
                loaded.add((cafile, capath, cadata))

    context.load_verify_locations = load_once  # type: ignore[method-assign]
    return context


def share_context() -> None:
    """Make botocore use the shared context for the connections of every client."""
    httpsession.create_urllib3_context = shared_context
