"""The clouds that the tests run on: started on free loopback ports, awaited, stopped.

`python -m tests.clouds run <target> -- <command …>` runs a command on one of them, `python -m tests.clouds install` fetches what
they need, `TAZCO_TESTS_ON=<target> pytest …` runs tests there, and `make clouds` runs on each what is promised for it.
"""
