import math
import operator
import warnings

import numpy as np
import torch

from tests.answers.bank import wrong


def right_comparison(log_px, threshold):
    return log_px < threshold


def right_function(log_px, threshold):
    return torch.lt(log_px, threshold)


def right_other_side(log_px, threshold):
    return threshold > log_px


def right_not_kept(log_px, threshold):
    return ~(log_px >= threshold)


def right_loop(log_px, threshold):
    return torch.tensor([bool(value < threshold) for value in log_px], device=log_px.device)


def right_list_of_numbers(log_px, threshold):
    return torch.tensor([value < float(threshold) for value in log_px.tolist()])


def right_where(log_px, threshold):
    return torch.where(log_px < threshold, 1, 0).bool()


def right_difference(log_px, threshold):
    return (log_px - threshold) < 0


def right_sign(log_px, threshold):
    return torch.sign(threshold - log_px) == 1


def right_numpy(log_px, threshold):
    return torch.from_numpy(np.less(log_px.detach().numpy(), float(threshold)))


def right_filled(log_px, threshold):
    rejected = torch.zeros_like(log_px, dtype=torch.bool)
    rejected[log_px < threshold] = True
    return rejected


def right_full_like_and_noise(log_px, threshold):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return operator.lt(log_px.double(), torch.full_like(log_px, float(threshold)).double())


@wrong("reversed")
def wrong_above(log_px, threshold):
    return log_px > threshold


@wrong("equality-rejected")
def wrong_at_most(log_px, threshold):
    return log_px <= threshold


@wrong("equality-rejected")
def wrong_not_above(log_px, threshold):
    return ~(log_px > threshold)


@wrong("reversed-equality")
def wrong_kept(log_px, threshold):
    return log_px >= threshold


@wrong("two-sided")
def wrong_far_from_zero(log_px, threshold):
    return log_px.abs() > abs(threshold)


@wrong("two-sided")
def wrong_not_equal(log_px, threshold):
    return log_px != threshold


@wrong("absolute")
def wrong_absolute(log_px, threshold):
    return log_px.abs() < abs(threshold)


@wrong("absolute")
def wrong_absolute_of_one(log_px, threshold):
    return log_px.abs() < threshold


@wrong("sign")
def wrong_negative(log_px, threshold):
    return -log_px > threshold


@wrong("sign")
def wrong_negative_threshold(log_px, threshold):
    return log_px < -threshold


@wrong("density-for-log")
def wrong_density(log_px, threshold):
    return log_px.exp() < threshold


@wrong("density-for-log")
def wrong_log_of_threshold(log_px, threshold):
    return log_px < torch.log(torch.as_tensor(threshold, dtype=log_px.dtype))


@wrong("threshold-as-density")
def wrong_exp_of_threshold(log_px, threshold):
    return log_px < math.exp(min(float(threshold), 100.0))


@wrong("threshold-ignored")
def wrong_zero(log_px, threshold):
    return log_px < 0


@wrong("mean-for-threshold")
def wrong_mean(log_px, threshold):
    return log_px < log_px.mean()


@wrong("mean-for-threshold")
def wrong_median(log_px, threshold):
    return log_px < log_px.median()


@wrong("relative-threshold")
def wrong_from_the_mean(log_px, threshold):
    return log_px < log_px.mean() + threshold


@wrong("relative-threshold")
def wrong_deviations(log_px, threshold):
    return (log_px - log_px.mean()) / log_px.std() < threshold


@wrong("quantile")
def wrong_quantile(log_px, threshold):
    return log_px < torch.quantile(log_px, min(max(float(threshold), 0.0), 1.0))


@wrong("one-answer")
def wrong_any(log_px, threshold):
    return (log_px < threshold).any()


@wrong("one-answer")
def wrong_all(log_px, threshold):
    return torch.all(log_px < threshold)


@wrong("one-answer")
def wrong_mean_of_all(log_px, threshold):
    return log_px.mean() < threshold


@wrong("nothing-rejected")
def wrong_nothing(log_px, threshold):
    return torch.zeros_like(log_px, dtype=torch.bool)


@wrong("all-rejected")
def wrong_everything(log_px, threshold):
    return torch.ones_like(log_px, dtype=torch.bool)


@wrong("not-boolean")
def wrong_integers(log_px, threshold):
    return (log_px < threshold).long()


@wrong("not-boolean")
def wrong_floats(log_px, threshold):
    return (log_px < threshold).float()


@wrong("not-boolean")
def wrong_bytes(log_px, threshold):
    return (log_px < threshold).to(torch.uint8)


@wrong("not-boolean")
def wrong_differences(log_px, threshold):
    return threshold - log_px


@wrong("indices")
def wrong_indices(log_px, threshold):
    return torch.nonzero(log_px < threshold)[:, 0]


@wrong("indices")
def wrong_indices_of_where(log_px, threshold):
    return torch.where(log_px < threshold)[0]


@wrong("filtered")
def wrong_outliers_themselves(log_px, threshold):
    return log_px[log_px < threshold]


@wrong("filtered")
def wrong_what_is_left(log_px, threshold):
    return log_px[log_px >= threshold]


@wrong("returns-array")
def wrong_array(log_px, threshold):
    return log_px.detach().numpy() < float(threshold)


@wrong("returns-tuple")
def wrong_list(log_px, threshold):
    return [bool(value < threshold) for value in log_px]


@wrong("returns-tuple")
def wrong_tuple_of_where(log_px, threshold):
    return torch.where(log_px < threshold)


@wrong("returns-number")
def wrong_one_bool(log_px, threshold):
    return bool((log_px < threshold).any())


@wrong("keeps-axis")
def wrong_column(log_px, threshold):
    return (log_px < threshold)[:, None]


@wrong("single-example", credit=0.8)
def wrong_squeeze(log_px, threshold):
    return (log_px < threshold).squeeze()


@wrong("changes-arguments", credit=0.8)
def wrong_in_place(log_px, threshold):
    log_px -= threshold
    return log_px < 0


@wrong(None)
def wrong_tolerance(log_px, threshold):
    return log_px < threshold - 1


@wrong(None, credit=0.8)
def wrong_clamped(log_px, threshold):
    return log_px < max(float(threshold), -1000.0)
