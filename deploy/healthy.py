"""The health check of the containers: exit 0 if a GET of the URL answers 200 within three seconds, else 1 and the reason.

python healthy.py URL, with nothing but the standard library, because the image has no curl.
"""

import http.client
import sys
from typing import Final
from urllib.parse import urlsplit

SECONDS_MAX: Final = 3.0
"""Below the time-out of the health checks that call it."""


def main(url: str) -> int:
    """Ask once; no proxy, no redirect."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SECONDS_MAX)
    try:
        connection.request("GET", parts.path or "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{url} does not answer: {error}\n")
        return 1
    finally:
        connection.close()
    if status != http.client.OK:
        sys.stderr.write(f"{url} answers {status}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
