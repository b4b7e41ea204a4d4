"""The command line: parses, calls a study, a stage or a room, prints.

Rooms are imported inside the commands, so that ``--help`` stays instant.
"""

from spinecast.cli.application import app, main

# in the order of --help
# isort: off
from spinecast.cli import guide, cohorts, runs, answers, genetics
# isort: on

__all__ = ["answers", "app", "cohorts", "genetics", "guide", "main", "runs"]
