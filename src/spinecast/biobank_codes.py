"""Error codes of biobank extracts: title, meaning, remedy (see error_codes.py)."""

from __future__ import annotations

BIOBANK_CODES: dict[str, tuple[str, str, str]] = {
    "SC-114": (
        "archive refused",
        "The zip file is broken, cut off, encrypted, holds links, or is packed in a rare way.",
        "Fetch it again from its source; archives must be plain zip files without a password.",
    ),
    "SC-322": (
        "consent withdrawn",
        "The person is on the list of those who withdrew; nothing of theirs may be used.",
        "Nothing to do: the rows are counted and left out. Delete the files of these people.",
    ),
}
