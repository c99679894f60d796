"""`tazco phone`: an approver's phone in the terminal, live or for scripts, over the stand-in's control API."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from rich.console import Console

from tazco.local.endpoints import NobodyThere, listens
from tazco.local.http_client import ApiClient
from tazco.local.phone_live import LivePhone
from tazco.local.phone_screen import Painter, numbered
from tazco.local.stand_in.phones import Bubble, Button, Sender
from tazco.local.stand_in.shapes import bubble_of
from tazco.local.terminal import EXIT_AMISS, fail, out
from tazco.platform.wire import WireFailure

STAND_IN_URL: Final = "TAZCO_STAND_IN_URL"
