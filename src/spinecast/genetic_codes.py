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
    # -- SC-520 to SC-529 quality control and linkage -------------------------------------------
    "SC-520": (
        "positions out of order",
        "Windows of linkage need the variants of a chromosome in ascending position.",
        "Sort the files, e.g. `plink2 --make-pgen --sort-vars`, or `plink --make-bed`.",
    ),
    "SC-522": (
        "no variants left",
        "A step needs variants on autosomes that vary, and the rules before it left none.",
        "Loosen the rules, or look at the flow chart for the one that took them.",
    ),
    "SC-523": (
        "no genetic map",
        "A window in centimorgans needs the genetic position of every variant.",
        "Give a window in kb, or add the map (third column of .bim, CM of .pvar).",
    ),
    "SC-524": (
        "loadings do not fit",
        "Too few of the loadings' variants are among these genotypes with the same alleles.",
        "Compare variant ids, alleles and builds; compute the loadings on variants shared by both.",
    ),
    "SC-525": (
        "impossible setting of quality control",
        "A limit, window or list has a value or length that has no meaning.",
        "Correct the named setting; shares lie between 0 and 1.",
    ),
    "SC-526": (
        "too few samples for quality control",
        "The statistic needs more people than were chosen.",
        "Choose more people, or fewer components.",
    ),
    "SC-527": (
        "associations of other variants",
        "No variant of the associations is among the genotypes.",
        "Compare variant ids and builds of the two files.",
    ),
    # -- SC-530 to SC-539 traits and scans ------------------------------------------------------
    "SC-530": (
        "unreadable table of traits",
        "Traits and covariates come as text: `FID IID` or `IID` and names first, then as many "
        "cells in every line.",
        "Correct the named line or column.",
    ),
    "SC-531": (
        "person twice among the traits",
        "A sample id stands on more than one line, and nothing says which counts.",
        "Keep one line per person; average repeated measurements first.",
    ),
    "SC-532": (
        "trait that is not a number",
        "A cell is neither a number nor NA.",
        "Correct the cell; code categories as columns of 0 and 1.",
    ),
    "SC-533": (
        "covariates with gaps",
        "Every person needs every covariate, and as many lines as there are traits.",
        "Leave people with gaps out, or fill the gaps first.",
    ),
    "SC-534": (
        "trait that cannot be tested",
        "The trait does not vary once covariates are taken out, or too few people have it.",
        "Check its coding and its missing values, or leave it out.",
    ),
    "SC-535": (
        "nobody in common",
        "No person has genotypes and stands in the tables of traits and covariates.",
        "Check that sample ids (IID) are written the same way in all files.",
    ),
    "SC-536": (
        "impossible setting of a scan",
        "A word, a limit or a combination of settings is not known.",
        "Name one of the listed settings.",
    ),
    "SC-537": (
        "no such trait",
        "The table of traits has no column of this name.",
        "Name a column of its first line.",
    ),
    "SC-538": (
        "trait that is not case-control",
        "Methods for cases and controls take 0 and 1, or 1 and 2 as PLINK writes them.",
        "Recode the trait, or use method linear.",
    ),
    "SC-539": (
        "null model without solution",
        "Covariates part cases from controls, or there are fewer cases than covariates.",
        "Leave the covariate out that tells cases from controls, or merge categories.",
    ),
    # -- SC-540 to SC-549 whole-genome models ---------------------------------------------------
    "SC-540": (
        "too few people for a whole-genome model",
        "A share of variance can be estimated only from people beyond those the covariates use up.",
        "Use more people, fewer covariates, or a scan without a whole-genome model.",
    ),
    "SC-541": (
        "no variants for a whole-genome model",
        "The model needs autosomal variants that vary among the people.",
        "Check the list of model variants and the least number of copies asked for.",
    ),
    "SC-542": (
        "unknown whole-genome model",
        "There are three ways: exact, cg (conjugate gradients) and ridge; auto chooses.",
        "Name one of them.",
    ),
    "SC-543": (
        "whole-genome model did not converge",
        "Conjugate gradients did not reach their tolerance, which happens where people or "
        "variants are copies of each other.",
        "Remove duplicates, add principal components as covariates, or use the exact way.",
    ),
    # -- SC-550 to SC-569 summary statistics and LD score regression ----------------------------
    "SC-550": (
        "impossible value in summary statistics",
        "A column of associations holds something that no variant can have.",
        "Correct the named rows, or leave them out, and say so.",
    ),
    "SC-552": (
        "genome builds differ",
        "Positions of two builds cannot be compared, nor can loci found on them.",
        "Lift one of the tables over to the other build first.",
    ),
    "SC-553": (
        "alleles clash",
        "Most variants of one name have other alleles in the second table.",
        "Check the builds and which column is the effect allele; ids may be numbers of rows.",
    ),
    "SC-554": (
        "unreadable summary statistics",
        "The file is cut off, is no table, or lacks a column of the GWAS-SSF format.",
        "Copy the file again, or write it with `spinecast gwas`, which names the columns.",
    ),
    "SC-555": (
        "unusable input of LD score regression",
        "z-scores, sample sizes and LD scores must be finite numbers for the same variants.",
        "Munge the summary statistics first; it drops and counts what cannot be used.",
    ),
    "SC-556": (
        "too few variants",
        "Nothing can be estimated from so few variants, or from LD scores that do not vary.",
        "Use variants of the whole genome and LD scores that name variants the same way.",
    ),
    "SC-557": (
        "unreadable LD scores",
        "LD scores come as NAME.l2.ldscore[.gz] with columns CHR SNP BP L2, and NAME.l2.M_5_50.",
        "Compute them with `spinecast genotypes ld-scores`, or name the folder that holds both "
        "files.",
    ),
    "SC-558": (
        "unknown format",
        "There is no such layout of summary statistics or trait files.",
        "Name one of the listed ones.",
    ),
    "SC-559": (
        "effects are not centred on zero",
        "The median effect is far from zero, as with odds ratios under the name of log odds "
        "ratios.",
        "Give log odds ratios as beta, or name the column odds_ratio.",
    ),
    "SC-560": (
        "names or values that another tool would misread",
        "Spaces or quotes in names, names that occur twice, texts where numbers belong.",
        "Rename the ids or traits, or code the values as numbers.",
    ),
    # -- SC-570 to SC-579 lists and commands ------------------------------------------------------
    "SC-570": (
        "unreadable list",
        "Lists of people and of variants are text, one entry a line; this one cannot be read or "
        "is empty.",
        "Check the path; people are listed as IID or FID IID, variants by id.",
    ),
    "SC-571": (
        "list of others",
        "No entry of the list is among the genotypes.",
        "Compare how ids are written in both files.",
    ),
    "SC-572": (
        "traits of different kinds",
        "Some of the traits are case-control (0 and 1, or 1 and 2), some are measurements, and "
        "one method was to be chosen for all.",
        "Scan them apart with --trait, or name --method linear or mixed to test all alike.",
    ),
    "SC-573": (
        "unreadable table of places",
        "Known loci and genes come as tables with names of columns first, tab or comma between.",
        "Add or rename the named columns; positions are whole numbers of base pairs.",
    ),
}
