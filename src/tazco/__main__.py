"""`python -m tazco`."""

from tazco.cli import main

main()
