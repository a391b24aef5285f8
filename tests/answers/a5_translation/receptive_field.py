import math
import warnings

import numpy as np
import torch
import torch.nn.functional as F

from tests.answers.bank import wrong


def right_backwards(layers):
    side = 1
    for kernel_size, stride in reversed(layers):
        side = stride * (side - 1) + kernel_size
    return side


def right_forwards(layers):
    side, jump = 1, 1
    for kernel_size, stride in layers:
        side += (kernel_size - 1) * jump
        jump *= stride
    return side


def right_products(layers):
    return 1 + sum((k - 1) * math.prod(s for _, s in layers[:n]) for n, (k, _) in enumerate(layers))


def right_recursive(layers):
    (kernel_size, stride), *rest = layers
    return kernel_size + (right_recursive(rest) - 1) * stride if rest else kernel_size


def right_interval(layers):
    """The first and the last pixel that output 0 sees."""
    first = last = 0
    for kernel_size, stride in layers[::-1]:
        first, last = first * stride, last * stride + kernel_size - 1
    return last - first + 1


def right_tensor(layers):
    kernels, strides = torch.tensor(layers).T
    before = torch.cat([torch.ones(1, dtype=torch.int64), strides.cumprod(0)[:-1]])
    return 1 + ((kernels - 1) * before).sum()


def right_numpy(layers):
    kernels, strides = np.array(layers).T
    return 1 + np.dot(kernels - 1, np.concatenate([[1], np.cumprod(strides)[:-1]]))


def right_float(layers):
    side = 1.0
    for kernel_size, stride in layers[::-1]:
        side = (side - 1.0) * stride + kernel_size
    return side


def right_smallest_input(layers):
    """The smallest input that leaves one output."""

    def has_output(side):
        for kernel_size, stride in layers:
            side = (side - kernel_size) // stride + 1
            if side < 1:
                return False
        return True

    side = 1
    while not has_output(side):
        side += 1
    return side


def right_measured(layers):
    """The gradient of one output of convolutions with weights of 1, by the input."""
    x = torch.zeros(1, 1, 30_000, dtype=torch.float64, requires_grad=True)
    hidden = x
    for kernel_size, stride in layers:
        hidden = F.conv1d(hidden, torch.ones(1, 1, kernel_size, dtype=torch.float64) / kernel_size, stride=stride)
    (gradient,) = torch.autograd.grad(hidden[0, 0, 0], x)
    seen = gradient[0, 0].nonzero()
    return int(seen.max() - seen.min()) + 1


def right_copied_and_popped(layers):
    warnings.warn("a warning on the way", stacklevel=1)
    print(layers)
    left, side = list(layers), 1
    while left:
        kernel_size, stride = left.pop()
        side = side * stride + kernel_size - stride
    return torch.tensor([side])


def right_set_of_pixels(layers):
    ends = {0}
    for kernel_size, stride in reversed(layers):
        ends = {stride * min(ends), stride * max(ends) + kernel_size - 1}
    return np.int64(max(ends) - min(ends) + 1)


@wrong("stride-ignored")
def wrong_stride_one(layers):
    return 1 + sum(kernel_size - 1 for kernel_size, _ in layers)


@wrong("kernels-summed")
def wrong_sum(layers):
    return sum(kernel_size for kernel_size, _ in layers)


@wrong("kernels-multiplied")
def wrong_product(layers):
    return math.prod(kernel_size for kernel_size, _ in layers)


@wrong("stride-product")
def wrong_stride_product(layers):
    return math.prod(stride for _, stride in layers)


@wrong("kernel-only")
def wrong_first_kernel(layers):
    return layers[0][0]


@wrong("kernel-only")
def wrong_largest_kernel(layers):
    return max(kernel_size for kernel_size, _ in layers)


@wrong("wrong-order")
def wrong_order(layers):
    side = 1
    for kernel_size, stride in layers:
        side = stride * (side - 1) + kernel_size
    return side


@wrong("own-stride")
def wrong_stride_too_early(layers):
    side, jump = 1, 1
    for kernel_size, stride in layers:
        jump *= stride
        side += (kernel_size - 1) * jump
    return side


@wrong("own-stride")
def wrong_own_stride_only(layers):
    return 1 + sum((kernel_size - 1) * stride for kernel_size, stride in layers)


@wrong("wrong-order")
def wrong_strides_behind(layers):
    return 1 + sum((k - 1) * math.prod(s for _, s in layers[n + 1 :]) for n, (k, _) in enumerate(layers))


@wrong("strides-summed")
def wrong_strides_summed(layers):
    side, jump = 1, 1
    for kernel_size, stride in layers:
        side += (kernel_size - 1) * jump
        jump += stride
    return side


@wrong("strides-summed")
def wrong_strides_less_one_summed(layers):
    side, jump = 1, 1
    for kernel_size, stride in layers:
        side += (kernel_size - 1) * jump
        jump += stride - 1
    return side


@wrong("one-missing")
def wrong_without_one(layers):
    side, jump = 0, 1
    for kernel_size, stride in layers:
        side += (kernel_size - 1) * jump
        jump *= stride
    return side


@wrong("one-too-many")
def wrong_one_more(layers):
    return right_backwards(layers) + 1


@wrong("minus-one-missing")
def wrong_all_outputs_apart(layers):
    side = 1
    for kernel_size, stride in reversed(layers):
        side = stride * side + kernel_size
    return side


@wrong("minus-one-missing")
def wrong_whole_kernels(layers):
    side, jump = 1, 1
    for kernel_size, stride in layers:
        side += kernel_size * jump
        jump *= stride
    return side


@wrong("starts-from-zero")
def wrong_from_zero(layers):
    side = 0
    for kernel_size, stride in reversed(layers):
        side = stride * (side - 1) + kernel_size
    return side


@wrong("kernel-for-stride")
def wrong_pairs_swapped(layers):
    side = 1
    for stride, kernel_size in reversed(layers):
        side = stride * (side - 1) + kernel_size
    return side


@wrong("layer-missing")
def wrong_last_layer_missing(layers):
    side = 1
    for kernel_size, stride in layers[-2::-1]:
        side = stride * (side - 1) + kernel_size
    return side


@wrong("layer-missing")
def wrong_first_layer_missing(layers):
    side = 1
    for n in range(len(layers) - 1, 0, -1):
        side = layers[n][1] * (side - 1) + layers[n][0]
    return side


@wrong("padding")
def wrong_padding_subtracted(layers):
    side = 1
    for kernel_size, stride in reversed(layers):
        side = stride * (side - 1) + kernel_size - 2 * ((kernel_size - 1) // 2)
    return side


@wrong("padding")
def wrong_padding_added(layers):
    return right_backwards(layers) + 2 * sum(kernel_size // 2 for kernel_size, _ in layers)


@wrong("half-side")
def wrong_half(layers):
    return right_backwards(layers) // 2


@wrong("area")
def wrong_area(layers):
    return right_backwards(layers) ** 2


@wrong("seventy")
def wrong_seventy(layers):
    return 70


@wrong("number-of-layers")
def wrong_number_of_layers(layers):
    return len(layers)


@wrong("stride-divided")
def wrong_divided(layers):
    side, jump = 1, 1.0
    for kernel_size, stride in layers:
        side += (kernel_size - 1) * jump
        jump /= stride
    return side


@wrong("stride-of-neighbour")
def wrong_neighbours_stride(layers):
    side, before = 1, 1
    for kernel_size, stride in layers:
        side += (kernel_size - 1) * before
        before = stride
    return side


@wrong("last-stride-counts")
def wrong_last_stride(layers):
    return right_backwards(layers) * layers[-1][1]


@wrong("last-stride-counts")
def wrong_last_stride_added(layers):
    return right_backwards(layers) + layers[-1][1] - 1


@wrong("own-stride")
def wrong_dilated(layers):
    return right_backwards([(stride * (kernel_size - 1) + 1, stride) for kernel_size, stride in layers])


@wrong("single-layer")
def wrong_needs_two(layers):
    side = layers[-1][0]
    kernel_size, stride = layers[-2]
    for kernel_size, stride in layers[-2::-1]:
        side = stride * (side - 1) + kernel_size
    return side


@wrong("returns-tuple")
def wrong_height_and_width(layers):
    side = right_backwards(layers)
    return side, side


@wrong("returns-tuple")
def wrong_after_each_layer(layers):
    return [right_backwards(layers[: n + 1]) for n in range(len(layers))]


@wrong("not-whole")
def wrong_mean_kernel(layers):
    return right_backwards(layers) / 3


@wrong("wrong-order")
def wrong_order_and_stride_too_early(layers):
    side, jump = 1, 1
    for kernel_size, stride in reversed(layers):
        jump *= stride
        side += (kernel_size - 1) * jump
    return side


@wrong("changes-arguments", credit=0.9)
def wrong_reversed_in_place(layers):
    layers.reverse()
    return wrong_order(layers)


@wrong("changes-arguments", credit=0.9)
def wrong_popped(layers):
    side = 1
    while layers:
        kernel_size, stride = layers.pop()
        side = stride * (side - 1) + kernel_size
    return side


@wrong("no-tensor")
def wrong_text(layers):
    return str(right_backwards(layers))


@wrong("returns-nothing")
def wrong_printed(layers):
    print(right_backwards(layers))


@wrong("wrong-names", credit=0.9)
def wrong_names(sizes):
    return right_backwards(sizes)


@wrong("random-result")
def wrong_random(layers):
    return right_backwards(layers) + int(torch.randint(0, 50, ()))


@wrong(None)
def wrong_rounded(layers):
    return right_backwards(layers) // 4 * 4


@wrong(None, credit=0.9)
def wrong_capped(layers):
    return min(right_backwards(layers), 2048)
