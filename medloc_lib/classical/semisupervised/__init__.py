"""Learning from few labelled patients and many that nobody looked at.

`prior_shift`, `density_ratio` and `align` mend biases; `confident_joint` and `likely_wrong` find wrong labels;
`self_train` and `SemiSupervisedLocalizer` learn from pseudo-labels.
"""

from __future__ import annotations

from medloc_lib.classical.semisupervised.budget import draw_patients, hide, part_of
from medloc_lib.classical.semisupervised.confident import confident_joint, likely_wrong
from medloc_lib.classical.semisupervised.correction import align, density_ratio, prior_shift
from medloc_lib.classical.semisupervised.course import MOST, Course
from medloc_lib.classical.semisupervised.localizer import METHODS, SemiSupervisedLocalizer, learned_by
from medloc_lib.classical.semisupervised.model import Landmarks, Spread, Views, curved, features_of_views
from medloc_lib.classical.semisupervised.pseudo import Pictures, self_train

__all__ = [
    "METHODS",
    "MOST",
    "Course",
    "Landmarks",
    "Pictures",
    "SemiSupervisedLocalizer",
    "Spread",
    "Views",
    "align",
    "confident_joint",
    "curved",
    "density_ratio",
    "draw_patients",
    "features_of_views",
    "hide",
    "learned_by",
    "likely_wrong",
    "part_of",
    "prior_shift",
    "self_train",
]
