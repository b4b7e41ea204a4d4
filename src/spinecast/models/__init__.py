"""Networks, and the one way to fit and keep them."""
