"""Cohorts: people, visits, images and events, read, checked, chosen, split and described."""

from spinecast.cohort.cohort import Cohort, CohortSource, HasTruth, open_cohort

__all__ = ["Cohort", "CohortSource", "HasTruth", "open_cohort"]
