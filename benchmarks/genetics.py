"""Time genome-wide scans and whole-genome models against the field's programs, whole processes.

    python benchmarks/genetics.py [--small]

Writes simulated genomes to a temporary folder (5,000 people x 100,000 variants; 5,000 x 20,000
for the model), then runs `spinecast gwas` and, where they are installed, `plink2 --glm` for 1,
10 and 100 traits and `bolt --lmmInfOnly`, all on the same files with as many threads as there
are cores. Seconds are by the clock from start to end of the process, results written, then of
all its threads together; memory is the largest a process had. Every comparison says whether the
statistics agree. Last come scans of half the variants and of half the people: their share of
the cost of the whole, the start of the program taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.genotypes import write_bed
from spinecast.seeds import generator
from spinecast.simulation.genomes import simulate_genomes

TARGETS = {1: 4.0, 10: 12.0, 100: 40.0}
MODEL_TARGET = 20.0
MEMORY_TARGET = 1.0
_CHEAP = 12.0
_TAKES = 3
# Started by this process, a program would be charged with the memory that this one has: until it
# is a program of its own it is a copy. So a small process starts it and waits for it.
_LAUNCHER = """
import json, os, sys, time
log, words = sys.argv[1], sys.argv[2:]
flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
actions = [(os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)]
started = time.perf_counter()
child = os.posix_spawnp(words[0], words, os.environ, file_actions=actions)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
code = os.waitstatus_to_exitcode(status)
print(json.dumps([code, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20]))
"""


@dataclass(frozen=True)
class Study:
    stem: Path
    traits: Path
    covariates: Path

    @property
    def bed(self) -> Path:
        return self.stem.with_suffix(".bed")


@dataclass(frozen=True)
class Taken:
    seconds: float
    cpu: float
    gibibytes: float

    def __str__(self) -> str:
        return f"{self.seconds:7.2f} s ({self.cpu:6.2f} s CPU) {self.gibibytes:5.2f} GiB"


def write_study(folder: Path, people: int, variants: int, *, traits: int) -> Study:
    """Simulate genomes; traits with 100 causal variants each, two covariates and 3 components."""
    started = time.perf_counter()
    folder.mkdir(parents=True)
    genomes = simulate_genomes(people, variants, seed=1)
    autosomal = genomes.variants["chromosome"].str.isdigit().to_numpy()
    dice = generator(1, "benchmark", "genetics")
    causal = np.sort(dice.choice(np.flatnonzero(autosomal), 100, replace=False))
    copies = np.maximum(genomes.hard_calls(causal), 0).astype(np.float64)
    copies = (copies - copies.mean(axis=1, keepdims=True)) / (copies.std(axis=1)[:, None] + 1e-9)
    values = copies.T @ dice.normal(0, np.sqrt(0.4 / 100), (100, traits))
    values += np.sqrt(0.6) * dice.normal(size=(people, traits))
    known = np.column_stack([dice.integers(0, 2, people), dice.normal(60, 8, people),
                             dice.normal(size=(people, 3))])  # fmt: skip
    write_bed(
        folder / "g",
        samples=genomes.samples,
        variants=genomes.variants[autosomal].reset_index(drop=True),
        calls=[genomes.packed_calls()[autosomal]],
    )
    ids = genomes.samples["sample_id"]
    study = Study(folder / "g", folder / "traits.tsv", folder / "covariates.tsv")
    for path, table, letter in ((study.traits, values, "t"), (study.covariates, known, "c")):
        columns = {f"{letter}{k}": table[:, k] for k in range(table.shape[1])}
        frame = pd.DataFrame({"FID": ids, "IID": ids, **columns})
        frame.to_csv(path, sep="\t", index=False, float_format="%.8g")
    print(f"{people:,} people x {int(autosomal.sum()):,} variants simulated and written in "
          f"{time.perf_counter() - started:.1f} s", flush=True)  # fmt: skip
    return study


def run(words: Sequence[object], log: Path) -> Taken:
    """Run a process; its seconds and the largest memory it or its children had."""
    start = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(log)]
    # as an installed package, ours has its bytecode compiled
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    said = subprocess.run(
        [*start, *(str(word) for word in words)], check=True, capture_output=True, env=env
    )
    code, *taken = json.loads(said.stdout)
    if code:
        sys.exit(f"{words[0]} ended with {code}:\n{log.read_text()[-2000:]}")
    return Taken(*taken)


def median(words: Sequence[object], folder: Path) -> Taken:
    """Run a process afresh up to three times, where that is cheap, and return the medians."""
    takes: list[Taken] = []
    while not takes or (len(takes) < _TAKES and takes[0].seconds < _CHEAP):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        takes.append(run(words, folder.with_suffix(".log")))
    return Taken(
        statistics.median(take.seconds for take in takes),
        statistics.median(take.cpu for take in takes),
        statistics.median(take.gibibytes for take in takes),
    )


def ours(study: Study, out: Path, *options: object, traits: int) -> list[object]:
    named = [word for k in range(traits) for word in ("--trait", f"t{k}")]
    return [sys.executable, "-m", "spinecast", "gwas", "--genotypes", study.bed, "--traits",
            study.traits, *named, "--covariates", study.covariates, "--build", "GRCh38",
            "--out", out, *options]  # fmt: skip


def plink2(study: Study, out: Path, *, traits: int) -> list[object]:
    names = [f"t{k}" for k in range(traits)]
    return ["plink2", "--bfile", study.stem, "--pheno", study.traits, "--pheno-name", *names,
            "--covar", study.covariates, "--covar-variance-standardize", "--glm", "hide-covar",
            "omit-ref", "--threads", os.cpu_count(), "--out", out / "plink"]  # fmt: skip


def bolt(study: Study, out: Path, *options: object) -> list[object]:
    columns = pd.read_csv(study.covariates, sep="\t", nrows=0).columns[2:]
    return ["bolt", *options, f"--bfile={study.stem}", f"--phenoFile={study.traits}",
            "--phenoCol=t0", f"--covarFile={study.covariates}",
            *(f"--qCovarCol={name}" for name in columns),
            "--lmmInfOnly", "--LDscoresUseChip", f"--numThreads={os.cpu_count()}",
            f"--statsFile={out / 'bolt.tsv'}"]  # fmt: skip


def chi_square(table: pd.DataFrame, effect: str, error: str, *, name: str) -> pd.Series:
    values = (pd.to_numeric(table[effect], errors="coerce") / table[error]) ** 2
    return pd.Series(values.to_numpy(), index=table[name].to_numpy())


def agreement(own: Path, other: pd.Series) -> float:
    """Correlation of chi-square statistics on the variants that both have."""
    table = pd.read_parquet(own)
    mine = chi_square(table, "beta", "standard_error", name="variant_id")
    both = pd.concat([mine[~mine.index.duplicated()], other[~other.index.duplicated()]], axis=1)
    return float(both.dropna().corr().iloc[0, 1])


def verdict(ratio: float, target: float, *, memory: float, small: bool) -> str:
    if small:
        return f"{ratio:5.1f} x (not judged at this size)"
    word = "met" if ratio >= target else "MISSED"
    held = "met" if memory < MEMORY_TARGET else "MISSED"
    return f"{ratio:5.1f} x (target {target:g}: {word}; under {MEMORY_TARGET:g} GiB: {held})"


def compare_scans(study: Study, folder: Path, counts: Sequence[int], *, small: bool) -> None:
    peer = shutil.which("plink2") is not None
    if not peer:
        print("plink2 is missing: apt-get install plink2")
    for traits in counts:
        out = folder / f"ours-{traits}"
        own = median(ours(study, out, "--no-pictures", traits=traits), out)
        line = f"{traits:4d} traits   spinecast {own}"
        if peer:
            place = folder / f"plink2-{traits}"
            other = median(plink2(study, place, traits=traits), place)
            table = pd.read_csv(place / "plink.t0.glm.linear", sep="\t")
            same = agreement(out / "t0.parquet", chi_square(table, "BETA", "SE", name="ID"))
            line += f"   plink2 {other}   "
            ratio = other.seconds / own.seconds
            line += verdict(ratio, TARGETS[traits], memory=own.gibibytes, small=small)
            line += f"   chi-square r {same:.6f}"
        print(line, flush=True)
        if traits <= 10:
            for option in ("--pictures", "--missing=exact"):
                shown = folder / f"ours-{traits}{option}"
                more = () if option == "--pictures" else ("--no-pictures",)
                taken = median(ours(study, shown, option, *more, traits=traits), shown)
                print(f"{'':11s}   {option[2:]:9s} {taken}", flush=True)


def compare_sizes(study: Study, folder: Path, *, traits: int, small: bool) -> None:
    """Scan half the variants, and half the people; a hundredth of the variants is the start."""
    variants = pd.read_csv(study.bed.with_suffix(".bim"), sep="\t", header=None)[1]
    people = pd.read_csv(study.bed.with_suffix(".fam"), sep="\t", header=None)[1]
    lists = {
        "all": ("--extract", variants),
        "half the variants": ("--extract", variants[: len(variants) // 2]),
        "half the people": ("--keep", people[: len(people) // 2]),
        "start": ("--extract", variants[: len(variants) // 100]),
    }
    taken = {}
    out, listed = folder / "sizes", folder / "listed.txt"
    for name, (option, chosen) in lists.items():
        listed.write_text("".join(f"{one}\n" for one in chosen))
        taken[name] = median(ours(study, out, "--no-pictures", option, listed, traits=traits), out)
    start = taken.pop("start").cpu
    whole = taken.pop("all").cpu - start
    shares = [f"{name} {(own.cpu - start) / whole:.2f}" for name, own in taken.items()]
    line = f"{traits:4d} traits   share of the CPU seconds beyond {start:.1f} of the start: "
    line += ", ".join(shares) + (" (not judged at this size)" if small else "")
    print(line, flush=True)


def compare_models(study: Study, folder: Path, *, small: bool) -> None:
    out = folder / "ours-mixed"
    own = median(ours(study, out, "--method", "mixed", "--no-pictures", traits=1), out)
    line = f"mixed model   spinecast {own}"
    if shutil.which("bolt") is None:
        print(f"{line}\nbolt is missing: apt-get install bolt-lmm")
        return
    place = folder / "bolt"
    place.mkdir()
    other = run(bolt(study, place), folder / "bolt.log")
    table = pd.read_csv(place / "bolt.tsv", sep="\t")
    same = agreement(out / "t0.parquet", pd.Series(
        table["CHISQ_BOLT_LMM_INF"].to_numpy() if "CHISQ_BOLT_LMM_INF" in table
        else ((table["BETA"] / table["SE"]) ** 2).to_numpy(), index=table["SNP"],
    ))  # fmt: skip
    ratio = verdict(other.seconds / own.seconds, MODEL_TARGET, memory=own.gibibytes, small=small)
    print(f"{line}   bolt {other}   {ratio}   chi-square r {same:.4f}", flush=True)
    # of either what half the people cost
    samples = pd.read_csv(study.bed.with_suffix(".fam"), sep="\t", header=None)
    half, kept, removed = len(samples) // 2, folder / "kept.txt", folder / "removed.txt"
    kept.write_text("".join(f"{one}\n" for one in samples[1][:half]))
    samples.iloc[half:, :2].to_csv(removed, sep=" ", header=False, index=False)
    words = ours(study, out, "--method", "mixed", "--no-pictures", "--keep", kept, traits=1)
    mine = median(words, out)
    theirs = run(bolt(study, place, f"--remove={removed}"), folder / "bolt.log")
    print(f"half people   spinecast {mine}, {mine.seconds / own.seconds:.2f} of all   "
          f"bolt {theirs}, {theirs.seconds / other.seconds:.2f} of all", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a twentieth: does it run?")
    small = parser.parse_args().small
    people, variants, of_model = (600, 5000, 2000) if small else (5000, 100_000, 20_000)
    with tempfile.TemporaryDirectory(prefix="spinecast-bench-") as place:
        folder = Path(place)
        study = write_study(folder / "scan", people, variants, traits=100)
        # compiled code is loaded from a cache that the first run of all fills
        run(ours(study, folder / "warm", "--no-pictures", traits=1), folder / "warm.log")
        compare_scans(study, folder, (1, 10, 100), small=small)
        compare_sizes(study, folder, traits=100, small=small)
        model = write_study(folder / "model", people, of_model, traits=1)
        compare_models(model, folder, small=small)


if __name__ == "__main__":
    main()
