"""What stands beside the pictures: measurements, genotypes, and what became of the patient. `findings.py` has the
report.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medloc_lib.data.lesions.patient import INFARCT, MASS, PLAQUE, Patient
from medloc_lib.data.lesions.streams import Key, stream

SNPS = 1000
"""Genotypes a patient: more than there are patients. A few matter for the outcome, the same in all splits."""
_CAUSAL = 8
_BLOCK = 10  # neighbours on the genome are inherited together


@lru_cache(maxsize=1)
def _genome() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Frequency of the rarer allele at each position, the positions that matter, and how much."""
    rng = stream("genome")
    causal = rng.choice(SNPS // _BLOCK, _CAUSAL, replace=False) * _BLOCK + rng.integers(0, _BLOCK, _CAUSAL)
    return rng.uniform(0.08, 0.5, SNPS), causal, rng.choice([-1.0, 1.0], _CAUSAL) * rng.uniform(0.5, 0.9, _CAUSAL)


@lru_cache(maxsize=4)
def genotypes(key: Key) -> NDArray[np.int8]:
    """Copies of the rarer allele, 0 to 2, at each of `SNPS` positions."""
    rng = stream(*key, "genotypes")
    frequency = _genome()[0]
    shared = np.repeat(rng.random((2, SNPS // _BLOCK)), _BLOCK, axis=1)
    own = rng.random((2, SNPS))
    draw = np.where(rng.random((2, SNPS)) < 0.7, shared, own)
    return np.asarray((draw < frequency).sum(axis=0), dtype=np.int8)


def measurements(patient: Patient) -> dict[str, float | str]:
    """Age, sex and markers. Each depends on what is wrong and on age, with noise of its own."""
    rng = stream(*patient.key, "markers")
    e = iter(rng.standard_normal(12))
    is_mass, is_plaque, is_infarct = (patient.diagnosis == k for k in (MASS, PLAQUE, INFARCT))
    load = float(np.log1p(sum(lesion.volume for lesion in patient.lesions)))
    old = (patient.age - 50) / 20
    loud, quiet = is_mass and not patient.quiet, patient.quiet
    return {
        "age": round(patient.age),
        "sex": "M" if patient.male else "F",
        "systolic_mmhg": round(122 + 8 * old + 16 * is_infarct + 11 * next(e)),
        "ldl_mmol_l": round(3.0 + 0.2 * old + 0.6 * is_infarct + 0.7 * next(e), 2),
        "hba1c_percent": round(5.5 + 0.25 * old + 0.5 * is_infarct + 0.4 * next(e), 1),
        "crp_mg_l": round(float(np.exp(0.5 + 0.3 * old + 0.9 * is_infarct + 0.4 * is_mass + 0.8 * next(e))), 1),
        "igg_index": round(0.55 + 0.33 * is_plaque + 0.1 * next(e), 2),
        "nfl_pg_ml": round(float(np.exp(2.3 + 0.45 * old + 0.45 * load + 0.3 * next(e))), 1),
        "gfap_pg_ml": round(float(np.exp(4.3 + 0.3 * old + 0.35 * load + 0.5 * is_mass + 0.3 * next(e)))),
        "s100b_ug_l": round(float(np.exp(-2.6 + 0.3 * load + 0.4 * is_infarct + 0.3 * next(e))), 3),
        "ldh_u_l": round(178 + 58 * loud + 8 * old + 30 * next(e)),
        "hydroxyglutarate_umol_l": round(float(np.exp(0.2 + 0.9 * quiet + 0.42 * next(e))), 2),
    }


def outcome(patient: Patient, markers: dict[str, float | str], genes: NDArray[np.int8]) -> int:
    """1 if the patient is worse after two years, else 0: of lesions, markers, age and a few genotypes."""
    frequency, causal, effect = _genome()
    load = float(np.log1p(sum(lesion.volume for lesion in patient.lesions)))
    blood = float(np.log(float(markers["nfl_pg_ml"]))) - 2.8
    inherited = float(effect @ (genes[causal] - 2 * frequency[causal]))
    logit = -1.6 + 0.75 * load + 0.7 * blood + 0.4 * (patient.age - 50) / 20 + inherited - 1.2 * patient.quiet
    return int(stream(*patient.key, "outcome").random() < 1 / (1 + np.exp(-logit)))
