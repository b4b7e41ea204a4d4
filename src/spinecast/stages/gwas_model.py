"""Step 1 of a mixed-model scan: the whole-genome model, fitted once and kept for a resumed scan."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path

import numpy as np

from spinecast.files import read_json, write_bytes, write_json
from spinecast.genetics.whole_genome import (
    WholeGenomeFit,
    whole_genome_memory,
    whole_genome_model,
)
from spinecast.genotypes import GenotypeBlocks
from spinecast.genotypes.genotypes import Places
from spinecast.stages.genotype_inputs import Teller, find_variants, gibibytes
from spinecast.stages.gwas_inputs import GwasInputs, GwasRequest

FOLDER = "step1"
# Raised whenever numbers could change: a model of an older engine is fitted again.
_ENGINE = 2
_NUMBERS = ("h2", "h2_error", "predicted", "calibration")


def fit_or_reload(
    request: GwasRequest, inputs: GwasInputs, folder: Path, *, teller: Teller
) -> WholeGenomeFit:
    """Return the whole-genome model of a scan, as an earlier start left it where it fits.

    Parameters
    ----------
    request, inputs
        What the scan is asked, and takes.
    folder
        Of the scan; the model is kept in ``step1`` within.
    teller
        Hears size and memory before the fit.

    Raises
    ------
    GeneticsError
        As :func:`~spinecast.genetics.whole_genome.whole_genome_model`; SC-570 and SC-571 of
        the list of variants.
    """
    genotypes = inputs.chosen.genotypes
    offered = _offered(request, inputs)
    mark = _fingerprint(request, inputs, offered)
    kept = folder / FOLDER
    if (known := _reload(kept, mark)) is not None:
        teller.say(f"Whole-genome model kept from an earlier start ({FOLDER})")
        return known
    people = inputs.people
    n, traits = people.traits.shape
    size = whole_genome_memory(n, len(offered), traits, way=request.way)
    teller.say(f"Whole-genome model: {n:,} people, {len(offered):,} variants, {traits} traits; "
               f"about {gibibytes(size)} of memory")  # fmt: skip
    samples = people.samples if n < genotypes.n_samples else None
    with teller.step("model") as progress:
        fit = whole_genome_model(
            GenotypeBlocks(genotypes, samples, offered),
            people.traits,
            people.covariates,
            way=request.way,
            names=people.names,
            seed=request.seed,
            cluster=request.cluster,
            progress=progress,
        )
    _keep(kept, mark, fit)
    return fit


def _offered(request: GwasRequest, inputs: GwasInputs) -> Places:
    if request.model_variants is None:
        return inputs.chosen.places
    return find_variants(inputs.chosen.genotypes, request.model_variants)[0]


def _fingerprint(request: GwasRequest, inputs: GwasInputs, offered: Places) -> str:
    people = inputs.people
    words = [_ENGINE, request.way, request.seed, inputs.chosen.genotypes.stamps, people.names]
    digest = hashlib.sha256(json.dumps(words).encode())
    for values in (people.samples, people.traits, people.covariates, offered):
        digest.update(f"{values.shape}{values.dtype}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _keep(folder: Path, mark: str, fit: WholeGenomeFit) -> None:
    """Write the model; the record comes last and says that all is there."""
    shutil.rmtree(folder, ignore_errors=True)
    arrays = {name: getattr(fit, name) for name in (*_NUMBERS, "whole")}
    arrays |= {f"without-{chromosome}": values for chromosome, values in fit.loco.items()}
    for name, values in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        write_bytes(folder / f"{name}.npy", buffer.getvalue())
    record = {"fingerprint": mark, "way": fit.way, "chromosomes": list(fit.loco),
              "variants": fit.variants, "left_out": fit.left_out}  # fmt: skip
    write_json(folder / "model.json", record)


def _reload(folder: Path, mark: str) -> WholeGenomeFit | None:
    record = folder / "model.json"
    if not record.exists():
        return None
    known = read_json(record)
    if known["fingerprint"] != mark:
        return None
    numbers = {name: _load(folder, name) for name in (*_NUMBERS, "whole")}
    loco = {name: _load(folder, f"without-{name}") for name in known["chromosomes"]}
    return WholeGenomeFit(way=known["way"], loco=loco, variants=known["variants"],
                          left_out=known["left_out"], **numbers)  # fmt: skip


def _load(folder: Path, name: str) -> np.ndarray:
    loaded: np.ndarray = np.load(folder / f"{name}.npy", allow_pickle=False)
    return loaded
