"""One story across the whole product: from a call to the last tick on an approver's phone."""
