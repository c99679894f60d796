"""Starting over: everything but the audit is deleted, after a confirmation, by one operator at a time."""
