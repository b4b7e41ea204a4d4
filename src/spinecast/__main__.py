"""Run the command line as ``python -m spinecast``."""

from spinecast.cli import main

main()
