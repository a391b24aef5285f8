import math
import warnings

import torch
from torch.distributions import Categorical

from tests.answers.bank import wrong


def right_log_softmax(log_px_given_y, log_py):
    return torch.log_softmax(log_px_given_y + log_py, dim=1)


def right_logsumexp(log_px_given_y, log_py):
    joint = log_px_given_y + log_py.unsqueeze(0)
    return joint - torch.logsumexp(joint, dim=1, keepdim=True)


def right_largest_first(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    joint = joint - joint.max(dim=1, keepdim=True).values
    return joint - joint.exp().sum(1, keepdim=True).log()


def right_categorical(log_px_given_y, log_py):
    return Categorical(logits=log_px_given_y + log_py).logits


def right_loop_over_examples(log_px_given_y, log_py):
    rows = [row + log_py for row in log_px_given_y]
    return torch.stack([row - torch.logsumexp(row, 0) for row in rows])


def right_loop_over_classes(log_px_given_y, log_py):
    joint = [log_px_given_y[:, k] + log_py[k] for k in range(len(log_py))]
    evidence = joint[0]
    for column in joint[1:]:
        evidence = torch.logaddexp(evidence, column)
    return torch.stack([column - evidence for column in joint], dim=1)


def right_module(log_px_given_y, log_py):
    return torch.nn.LogSoftmax(dim=-1)(log_px_given_y + log_py)


def right_prior_normalised_again(log_px_given_y, log_py):
    return (log_px_given_y + log_py.log_softmax(0)).log_softmax(1)


def right_float64_and_noise(log_px_given_y, log_py):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    joint = log_px_given_y.double() + log_py.double()
    return joint - joint.logsumexp(1, keepdim=True)


def right_transposed(log_px_given_y, log_py):
    joint = log_px_given_y.T + log_py[:, None]
    return (joint - joint.logsumexp(0)).T


def right_cross_entropy(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    columns = [torch.full((len(joint),), k, device=joint.device) for k in range(joint.shape[1])]
    return torch.stack([-torch.nn.functional.cross_entropy(joint, y, reduction="none") for y in columns], 1)


def right_pairwise(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return -(joint[:, None, :] - joint[:, :, None]).logsumexp(2)


@wrong("no-prior")
def wrong_no_prior(log_px_given_y, log_py):
    return log_px_given_y.log_softmax(1)


@wrong("prior-twice")
def wrong_prior_twice(log_px_given_y, log_py):
    return (log_px_given_y + 2 * log_py).log_softmax(1)


@wrong("prior-subtracted")
def wrong_prior_subtracted(log_px_given_y, log_py):
    return (log_px_given_y - log_py).log_softmax(1)


@wrong("prior-not-logged")
def wrong_prior_as_probabilities(log_px_given_y, log_py):
    return (log_px_given_y + log_py.exp()).log_softmax(1)


@wrong("prior-multiplied")
def wrong_product_of_logs(log_px_given_y, log_py):
    return (log_px_given_y * log_py).log_softmax(1)


@wrong("prior-after")
def wrong_prior_after(log_px_given_y, log_py):
    return log_px_given_y.log_softmax(1) + log_py


@wrong("prior-by-examples")
def wrong_prior_along_examples(log_px_given_y, log_py):
    return (log_px_given_y + log_py[:, None]).log_softmax(1)


@wrong("no-prior")
def wrong_prior_of_the_example(log_px_given_y, log_py):
    cut = log_py[torch.arange(len(log_px_given_y)) % len(log_py)]
    return (log_px_given_y + cut[:, None]).log_softmax(1)


@wrong("only-prior")
def wrong_only_prior(log_px_given_y, log_py):
    return log_py.expand_as(log_px_given_y) + 0 * log_px_given_y


@wrong("joint")
def wrong_joint(log_px_given_y, log_py):
    return log_px_given_y + log_py


@wrong("evidence")
def wrong_evidence(log_px_given_y, log_py):
    return (log_px_given_y + log_py).logsumexp(1)


@wrong("likelihood")
def wrong_likelihood(log_px_given_y, log_py):
    return log_px_given_y + 0 * log_py


@wrong("normalised-over-batch")
def wrong_axis(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(0)


@wrong("normalised-over-all")
def wrong_over_all(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint - joint.flatten().logsumexp(0)


@wrong("divided-by-sum")
def wrong_divided(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint / joint.sum(1, keepdim=True)


@wrong("divided-by-sum")
def wrong_divided_by_evidence(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint / joint.logsumexp(1, keepdim=True)


@wrong("logs-summed")
def wrong_sum_of_logs(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint - joint.sum(1, keepdim=True)


@wrong("max-subtracted")
def wrong_max_subtracted(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint - joint.amax(1, keepdim=True)


@wrong("evidence-added")
def wrong_evidence_added(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint + joint.logsumexp(1, keepdim=True)


@wrong("prior-after")
def wrong_evidence_without_prior(log_px_given_y, log_py):
    return log_px_given_y + log_py - log_px_given_y.logsumexp(1, keepdim=True)


@wrong("prior-after")
def wrong_prior_of_normalised(log_px_given_y, log_py):
    return torch.log(torch.softmax(log_px_given_y, 1) * log_py.exp())


@wrong("mean-evidence")
def wrong_mean_evidence(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint - joint.logsumexp(1, keepdim=True) + math.log(joint.shape[1])


@wrong("probabilities")
def wrong_probabilities(log_px_given_y, log_py):
    return (log_px_given_y + log_py).softmax(1)


@wrong("log-twice")
def wrong_softmax_of_probabilities(log_px_given_y, log_py):
    return (log_px_given_y + log_py).softmax(1).log_softmax(1)


@wrong("log-twice")
def wrong_log_of_log_prior(log_px_given_y, log_py):
    return (log_px_given_y + log_py.log()).log_softmax(1)


@wrong("log-twice")
def wrong_log_of_log_softmax(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(1).log()


@wrong("hard")
def wrong_one_hot(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return (joint == joint.amax(1, keepdim=True)).to(joint.dtype)


@wrong("sign")
def wrong_sign(log_px_given_y, log_py):
    return -(log_px_given_y + log_py).log_softmax(1)


@wrong("bits")
def wrong_bits(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(1) / math.log(2)


@wrong("transposed")
def wrong_transposed(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(1).T


@wrong("averaged")
def wrong_averaged(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(1).mean(0)


@wrong("not-finite", credit=0.8)
def wrong_probability_space(log_px_given_y, log_py):
    joint = (log_px_given_y + log_py).exp()
    return (joint / joint.sum(1, keepdim=True)).log()


@wrong("not-finite", credit=0.8)
def wrong_probability_space_float64(log_px_given_y, log_py):
    joint = log_px_given_y.double().exp() * log_py.double().exp()
    return joint.log() - joint.sum(1, keepdim=True).log()


@wrong("not-finite", credit=0.8)
def wrong_log_of_softmax(log_px_given_y, log_py):
    return (log_px_given_y + log_py).softmax(1).log()


@wrong("not-finite", credit=0.8)
def wrong_one_maximum_for_all(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    joint = joint - joint.max()
    return joint - joint.exp().sum(1, keepdim=True).log()


@wrong("eps-in-log", credit=0.8)
def wrong_eps(log_px_given_y, log_py):
    return ((log_px_given_y + log_py).softmax(1) + 1e-9).log()


@wrong("eps-in-log", credit=0.8)
def wrong_clamped(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(1).clamp(min=-100)


@wrong("detached", credit=0.6)
def wrong_no_grad(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(1).detach()


@wrong("partly-detached", credit=0.6)
def wrong_detached_prior(log_px_given_y, log_py):
    return (log_px_given_y + log_py.detach()).log_softmax(1)


@wrong(None, credit=0.6)
def wrong_detached_evidence(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint - joint.logsumexp(1, keepdim=True).detach()


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(log_px_given_y, log_py):
    log_px_given_y += log_py
    return log_px_given_y.log_softmax(1)


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(log_px_given_y, log_py):
    return (log_px_given_y + log_py).float().log_softmax(1)


@wrong("single-example", credit=0.8)
def wrong_squeeze(log_px_given_y, log_py):
    return (log_px_given_y + log_py).log_softmax(1).squeeze()


@wrong("returns-tuple")
def wrong_tuple(log_px_given_y, log_py):
    joint = log_px_given_y + log_py
    return joint.log_softmax(1), joint.logsumexp(1)


@wrong(None)
def wrong_temperature(log_px_given_y, log_py):
    return ((log_px_given_y + log_py) / 2).log_softmax(1)
