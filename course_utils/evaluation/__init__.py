"""How good is a generative model: likelihoods on held-out data, and what the samples say where there is none."""

from course_utils.evaluation.features import DigitClassifier, digit_classifier, image_features
from course_utils.evaluation.frechet import frechet_distance, frechet_distance_of_images
from course_utils.evaluation.labels import Accuracy, MatchedAccuracy, label_accuracy, matched_accuracy
from course_utils.evaluation.likelihood import (
    Estimate,
    bits_per_dim,
    estimate_mean,
    evaluate_elbo,
    evaluate_importance_weighted,
)
from course_utils.evaluation.modes import ModeCoverage, mode_coverage
from course_utils.evaluation.precision_recall import PrecisionRecall, precision_recall

__all__ = [
    "Accuracy",
    "DigitClassifier",
    "Estimate",
    "MatchedAccuracy",
    "ModeCoverage",
    "PrecisionRecall",
    "bits_per_dim",
    "digit_classifier",
    "estimate_mean",
    "evaluate_elbo",
    "evaluate_importance_weighted",
    "frechet_distance",
    "frechet_distance_of_images",
    "image_features",
    "label_accuracy",
    "matched_accuracy",
    "mode_coverage",
    "precision_recall",
]
