"""The contract, line by line, over HTTP."""
