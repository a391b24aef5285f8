import math
import warnings

import numpy as np
import torch

from tests.answers.bank import wrong


def right_formula(nll, num_dims):
    return nll / (num_dims * math.log(2))


def right_two_divisions(nll, num_dims):
    return nll / num_dims / math.log(2)


def right_log_two_e(nll, num_dims):
    return nll * math.log2(math.e) / num_dims


def right_tensor_log(nll, num_dims):
    return nll / torch.log(torch.tensor(2.0, dtype=nll.dtype)) / num_dims


def right_numpy_log(nll, num_dims):
    return nll.div(float(np.log(2))).div(num_dims)


def right_log_of_exp_of_one(nll, num_dims):
    return nll / num_dims * math.log(math.e, 2)


def right_power_of_two(nll, num_dims):
    return nll / math.log(2 ** int(num_dims)) if num_dims < 500 else nll / (int(num_dims) * math.log(2))


def right_float64_and_noise(nll, num_dims):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return nll.double() / (float(num_dims) * math.log(2))


def right_loop(nll, num_dims):
    values = [value / (num_dims * math.log(2)) for value in nll.flatten()]
    return torch.stack(values).reshape(nll.shape)


def right_list_for_a_number(nll, num_dims):
    bits = nll.reshape(-1) / (num_dims * math.log(2))
    return bits if nll.ndim == 0 else bits.reshape(nll.shape)


def right_change_of_base(nll, num_dims):
    return (nll / num_dims) * (math.log10(math.e) / math.log10(2))


@wrong("nats")
def wrong_nats(nll, num_dims):
    return nll / num_dims


@wrong("multiplied-by-log-two")
def wrong_times_log_two(nll, num_dims):
    return nll / num_dims * math.log(2)


@wrong("multiplied-by-log-two")
def wrong_times_log_two_without_dims(nll, num_dims):
    return nll * math.log(2)


@wrong("dims-ignored")
def wrong_without_dims(nll, num_dims):
    return nll / math.log(2)


@wrong("nothing-done")
def wrong_as_it_came(nll, num_dims):
    return nll * 1


@wrong("multiplied-by-dims")
def wrong_times_dims(nll, num_dims):
    return nll / math.log(2) * num_dims


@wrong("log-ten")
def wrong_log_ten(nll, num_dims):
    return nll / (num_dims * math.log10(2))


@wrong("log-ten")
def wrong_log_of_ten(nll, num_dims):
    return nll / (num_dims * math.log(10))


@wrong("log-two-twice")
def wrong_log_two_twice(nll, num_dims):
    return nll / math.log(2) / (num_dims * math.log(2))


@wrong("two-for-log-two")
def wrong_two(nll, num_dims):
    return nll / (num_dims * 2)


@wrong("bytes")
def wrong_bytes(nll, num_dims):
    return nll / (num_dims * math.log(2) * 8)


@wrong("bytes")
def wrong_log_of_levels(nll, num_dims):
    return nll / (num_dims * math.log(256))


@wrong("levels")
def wrong_levels(nll, num_dims):
    return nll / (num_dims * math.log(2)) / 256


@wrong("log-of-nll")
def wrong_log_of_nll(nll, num_dims):
    return nll.log2() / num_dims


@wrong("log-of-nll")
def wrong_log_of_the_ratio(nll, num_dims):
    return torch.log2(nll / num_dims)


@wrong("exponent")
def wrong_perplexity(nll, num_dims):
    return (nll / num_dims).exp()


@wrong("log-of-dims")
def wrong_log_of_dims(nll, num_dims):
    return nll / math.log(num_dims)


@wrong("log-of-dims")
def wrong_log_two_of_dims(nll, num_dims):
    return nll / math.log2(num_dims)


@wrong("sign")
def wrong_sign(nll, num_dims):
    return -nll / (num_dims * math.log(2))


@wrong("absolute")
def wrong_absolute(nll, num_dims):
    return nll.abs() / (num_dims * math.log(2))


@wrong("inverted")
def wrong_inverted(nll, num_dims):
    return num_dims * math.log(2) / nll


@wrong("mean")
def wrong_mean(nll, num_dims):
    return nll.mean() / (num_dims * math.log(2))


@wrong("sum")
def wrong_sum(nll, num_dims):
    return nll.sum() / (num_dims * math.log(2))


@wrong("divided-by-batch")
def wrong_divided_by_batch(nll, num_dims):
    return nll / (num_dims * math.log(2)) / nll.numel()


@wrong("dims-from-shape")
def wrong_numel(nll, num_dims):
    return nll / (nll.numel() * math.log(2))


@wrong("rounded")
def wrong_whole_numbers(nll, num_dims):
    return nll // num_dims / math.log(2)


@wrong("flattened")
def wrong_flattened(nll, num_dims):
    return nll.flatten() / (num_dims * math.log(2))


@wrong("flattened")
def wrong_extra_axis(nll, num_dims):
    return nll.unsqueeze(-1) / (num_dims * math.log(2))


@wrong("one-layout-only")
def wrong_needs_a_batch(nll, num_dims):
    return torch.stack([nll[i] / (num_dims * math.log(2)) for i in range(len(nll))])


@wrong("tensor-dims")
def wrong_method_of_a_number(nll, num_dims):
    return nll / (num_dims.float() * math.log(2))


@wrong("tensor-dims")
def wrong_log_of_a_number(nll, num_dims):
    return nll / torch.exp(torch.log(num_dims)) / math.log(2)


@wrong("detached", credit=0.6)
def wrong_detached(nll, num_dims):
    return nll.detach() / (num_dims * math.log(2))


@wrong("returns-number")
def wrong_item(nll, num_dims):
    return nll.mean().item() / (num_dims * math.log(2))


@wrong("returns-array")
def wrong_array(nll, num_dims):
    return nll.detach().numpy() / (num_dims * np.log(2))


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(nll, num_dims):
    return nll.div_(num_dims * math.log(2))


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(nll, num_dims):
    return nll.float() / (num_dims * math.log(2))


@wrong("fixed-dtype", credit=0.9)
def wrong_float32_at_the_end(nll, num_dims):
    return (nll / (num_dims * math.log(2))).to(torch.float32)


@wrong("single-example", credit=0.8)
def wrong_squeeze(nll, num_dims):
    bits = nll / (num_dims * math.log(2))
    return bits.squeeze() if bits.shape == (1,) else bits


@wrong(None)
def wrong_constant_cut_off(nll, num_dims):
    return nll / (num_dims * 0.69)


@wrong(None, credit=0.8)
def wrong_clamped(nll, num_dims):
    return (nll / (num_dims * math.log(2))).clamp(-100, 100)
