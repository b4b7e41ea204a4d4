"""Genetics: from genotypes and traits to loci (no torch)."""
