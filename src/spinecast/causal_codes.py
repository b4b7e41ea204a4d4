"""Error codes of causal graphs and models: title, meaning, remedy (see error_codes.py)."""

from __future__ import annotations

CAUSAL_CODES: dict[str, tuple[str, str, str]] = {
    "SC-409": (
        "cycle in the causal graph",
        "A variable causes itself by way of others, so there is no order to compute them in.",
        "Remove or turn round one of the named edges.",
    ),
    "SC-410": (
        "unknown variable in the causal graph",
        "An edge or a question names a variable that the graph does not have.",
        "Correct the spelling, or add the variable to the graph.",
    ),
    "SC-411": (
        "image misplaced in the causal graph",
        "A graph has at most one image; it may have parents, and it causes nothing.",
        "Keep one [image] table with parents, and no variable called image.",
    ),
    "SC-412": (
        "not a causal graph",
        "The file cannot be read, is not TOML, or describes something else than variables.",
        "See docs/reference/causal-graph.md for the format.",
    ),
    "SC-413": (
        "row does not fit the causal graph",
        "A variable is missing, infinite, not positive or of an unknown level; none is guessed.",
        "Leave the row out, complete it, or correct the variable's kind in the graph.",
    ),
    "SC-414": (
        "impossible intervention",
        "An intervention must give possible values, one or one a row, to variables of the graph.",
        "Correct the value; `do` takes the units and levels of the graph.",
    ),
    "SC-710": (
        "optional library missing",
        "This step needs a library that is not part of the ordinary installation.",
        "Install it with the command given above.",
    ),
}
