"""Error codes of genotypes and genetics: title, meaning, remedy (see error_codes.py)."""

from __future__ import annotations

GENETIC_CODES: dict[str, tuple[str, str, str]] = {
    # -- SC-501 to SC-519 genotype files ------------------------------------------------------
    "SC-501": (
        "not a genotype file",
        "The file is none of PLINK 1 .bed (one variant after another), .pgen, .bgen or VCF.",
        "Check the path; old sample-major .bed files are turned round by `plink --make-bed`.",
    ),
    "SC-502": (
        "genotype file cut off",
        "The file is shorter or longer than the number of samples and variants it announces.",
        "Copy the file again from its source, with the tables that belong to it.",
    ),
    "SC-503": (
        "file of the set missing",
        "Genotypes come as sets (.bed .bim .fam; .pgen .pvar .psam; .bgen .sample), beside "
        "each other under one name.",
        "Put the named file beside the others.",
    ),
    "SC-504": (
        "genotype files do not belong together",
        "Files of one set announce different numbers, or files for several chromosomes list "
        "other samples or another order of them.",
        "Take all files from one export; nothing is matched by guess.",
    ),
    "SC-505": (
        "unreadable table of samples or variants",
        "A line has the wrong number of cells, an empty cell, control characters, or is not "
        "UTF-8 text.",
        "Correct the named line, or write the set again with plink2.",
    ),
    "SC-506": (
        "sample id twice",
        "Traits and covariates are joined by sample id, so each may stand once, whatever its "
        "family id.",
        "Rename or remove one of the two samples.",
    ),
    "SC-507": (
        "unknown chromosome",
        "Chromosomes are 1 to 22, X, Y, XY (or PAR1, PAR2), MT and 0 (unplaced), with or "
        "without `chr`, or PLINK's 23 to 26.",
        "Recode the column, or leave the contig's variants out.",
    ),
    "SC-508": (
        "impossible position",
        "A position must be a whole number, not negative, and on the chromosome of the build "
        "that was named.",
        "Correct the line, or name the build the positions belong to.",
    ),
    "SC-509": (
        "not a diploid variant of two alleles",
        "A dosage counts copies of one allele in people who carry two.",
        "Split variants of several alleles first (`bcftools norm -m-`).",
    ),
    "SC-510": (
        "unknown genome build",
        "Positions mean nothing without the build they count in.",
        "Name GRCh37 (hg19) or GRCh38 (hg38).",
    ),
    "SC-511": (
        "no such sample or variant",
        "A place beyond the ends of the genotypes was asked for, or samples were not given in "
        "file order.",
        "Take places from the tables of the same genotypes.",
    ),
    "SC-512": (
        "genotype file changed",
        "The file is not the one that was opened: its size or date changed in between.",
        "Run the command again on files that nobody writes to.",
    ),
    "SC-513": (
        "damaged block of genotypes",
        "A compressed block cannot be unpacked, or does not hold what its header announces.",
        "Copy the file again from its source.",
    ),
    "SC-514": (
        "no hard calls",
        "The file holds dosages (probabilities), and something asked for 0, 1 or 2.",
        "Write hard calls first (`plink2 --make-bed`), or use what takes dosages.",
    ),
    "SC-515": (
        "not a genotype",
        "Genotypes to be written are copies of the effect allele from 0 to 2; negative or NaN "
        "is missing.",
        "Check how the numbers are coded.",
    ),
}
