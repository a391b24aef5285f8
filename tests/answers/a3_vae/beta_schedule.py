import math

import numpy as np
import torch

from tests.answers.bank import wrong


def right_min(step, warmup_steps, beta_max=1.0):
    return beta_max * min(1.0, step / warmup_steps)


def right_branches(step, warmup_steps, beta_max=1.0):
    if step >= warmup_steps:
        return beta_max
    return step * (beta_max / warmup_steps)


def right_tensor(step, warmup_steps, beta_max=1.0):
    return torch.clamp(torch.as_tensor(step / warmup_steps, dtype=torch.float64), max=1.0) * beta_max


def right_shape_one(step, warmup_steps, beta_max=1.0):
    return torch.tensor([min(float(step), warmup_steps) / warmup_steps * float(beta_max)])


def right_interp(step, warmup_steps, beta_max=1.0):
    return np.interp(float(step), [0, warmup_steps], [0.0, float(beta_max)])


def right_linspace(step, warmup_steps, beta_max=1.0):
    return torch.linspace(0, float(beta_max), warmup_steps + 1)[min(int(step), warmup_steps)]


def right_max_of_differences(step, warmup_steps, beta_max=1.0):
    return beta_max - beta_max * max(0.0, 1 - step / warmup_steps)


def right_numpy(step, warmup_steps, beta_max=1.0):
    return np.minimum(np.float32(1), np.float32(int(step)) / np.float32(warmup_steps)) * np.float32(float(beta_max))


def right_noisy(step, warmup_steps, beta_max=1.0):
    print(f"step {step} of {warmup_steps}")
    return min(beta_max, beta_max * step / warmup_steps)


@wrong("ignores-beta-max")
def wrong_without_beta_max(step, warmup_steps, beta_max=1.0):
    return min(1.0, step / warmup_steps)


@wrong("not-capped")
def wrong_without_cap(step, warmup_steps, beta_max=1.0):
    return beta_max * step / warmup_steps


@wrong("slope-without-beta-max")
def wrong_cap_only(step, warmup_steps, beta_max=1.0):
    return min(beta_max, step / warmup_steps)


@wrong("step-plus-one")
def wrong_step_plus_one(step, warmup_steps, beta_max=1.0):
    return beta_max * min(1.0, (step + 1) / warmup_steps)


@wrong("warmup-off-by-one")
def wrong_warmup_minus_one(step, warmup_steps, beta_max=1.0):
    return beta_max * min(1.0, step / max(warmup_steps - 1, 1))


@wrong("integer-division")
def wrong_integer_division(step, warmup_steps, beta_max=1.0):
    return beta_max * min(1, step // warmup_steps)


@wrong("downwards")
def wrong_downwards(step, warmup_steps, beta_max=1.0):
    return beta_max * max(0.0, 1 - step / warmup_steps)


@wrong("no-ramp")
def wrong_constant(step, warmup_steps, beta_max=1.0):
    return beta_max


@wrong("no-ramp")
def wrong_jump(step, warmup_steps, beta_max=1.0):
    return beta_max if step > warmup_steps else 0.0


@wrong("max-for-min")
def wrong_max(step, warmup_steps, beta_max=1.0):
    return beta_max * max(1.0, step / warmup_steps)


@wrong("inverted")
def wrong_inverted(step, warmup_steps, beta_max=1.0):
    return beta_max * min(1.0, warmup_steps / step)


@wrong("drops-after-warmup")
def wrong_drops(step, warmup_steps, beta_max=1.0):
    return beta_max * step / warmup_steps if step <= warmup_steps else 0.0


@wrong("zero-at-end")
def wrong_cyclic(step, warmup_steps, beta_max=1.0):
    return beta_max * (step % warmup_steps) / warmup_steps


@wrong("not-linear")
def wrong_cosine(step, warmup_steps, beta_max=1.0):
    return beta_max * (1 - math.cos(math.pi * min(1.0, step / warmup_steps))) / 2


@wrong("not-linear")
def wrong_square(step, warmup_steps, beta_max=1.0):
    return beta_max * min(1.0, step / warmup_steps) ** 2


@wrong("starts-above-zero")
def wrong_from_one(step, warmup_steps, beta_max=1.0):
    return 1.0 + (beta_max - 1.0) * min(1.0, step / warmup_steps)


@wrong("returns-nothing")
def wrong_nothing_after_warmup(step, warmup_steps, beta_max=1.0):
    if step < warmup_steps:
        return beta_max * step / warmup_steps


@wrong("wrong-default", credit=0.8)
def wrong_default(step, warmup_steps, beta_max=4.0):
    return beta_max * min(1.0, step / warmup_steps)


@wrong("touches-rng", credit=0.8)
def wrong_seed(step, warmup_steps, beta_max=1.0):
    np.random.seed(0)
    return beta_max * min(1.0, step / warmup_steps)


COUNTER = [0]


@wrong("keeps-state")
def wrong_counter(step, warmup_steps, beta_max=1.0):
    COUNTER[0] += 1
    return beta_max * min(1.0, COUNTER[0] / 1e6)


@wrong("integer-division")
def wrong_rounded(step, warmup_steps, beta_max=1.0):
    return round(beta_max * min(1, step / warmup_steps), 2)


@wrong("warmup-off-by-one")
def wrong_linspace(step, warmup_steps, beta_max=1.0):
    return torch.linspace(0, beta_max, warmup_steps)[min(step, warmup_steps - 1)]


@wrong("not-capped")
def wrong_lerp(step, warmup_steps, beta_max=1.0):
    return torch.lerp(torch.tensor(0.0), torch.tensor(float(beta_max)), step / warmup_steps)


@wrong("drops-after-warmup")
def wrong_one_after_warmup(step, warmup_steps, beta_max=1.0):
    return beta_max * step / warmup_steps if step <= warmup_steps else 1.0


@wrong(None)
def wrong_sigmoid(step, warmup_steps, beta_max=1.0):
    return beta_max / (1 + math.exp(-10 * (min(step / warmup_steps, 2) - 0.5)))


@wrong("returns-tuple")
def wrong_list(step, warmup_steps, beta_max=1.0):
    return [beta_max * min(1, step / warmup_steps)]


def right_accumulated(step, warmup_steps, beta_max=1.0):
    beta = 0.0
    for _ in range(int(step)):
        beta = min(float(beta_max), beta + float(beta_max) / warmup_steps)
    return beta


def right_clip(step, warmup_steps, beta_max=1.0):
    return (torch.as_tensor(step, dtype=torch.float64) / warmup_steps).clip(0, 1) * beta_max


def right_median(step, warmup_steps, beta_max=1.0):
    return sorted([0.0, float(beta_max) * int(step) / warmup_steps, float(beta_max)])[1]


@wrong("not-linear")
def wrong_sine(step, warmup_steps, beta_max=1.0):
    return beta_max * math.sin(math.pi * min(1.0, step / warmup_steps) / 2)


@wrong("not-linear")
def wrong_exponential(step, warmup_steps, beta_max=1.0):
    return beta_max * (1 - math.exp(-step / warmup_steps))
