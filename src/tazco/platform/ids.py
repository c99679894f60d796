"""UUIDv7, from a kept library until the standard library of our oldest Python has it."""

import uuid_utils


def new_id() -> str:
    """A UUIDv7 in text; ids of one process sort in the order in which they were made."""
    return str(uuid_utils.uuid7())
