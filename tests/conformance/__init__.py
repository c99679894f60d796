"""What Tazco relies on from the five services, as AWS documents it: runnable against any endpoint. `docs/conformance.md` shows the results."""
