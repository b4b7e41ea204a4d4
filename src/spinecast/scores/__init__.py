"""Numbers per image and person: the narrow waist between pictures and statistics."""
