"""A world whose truth is known: people, their spines, and the images of them."""
