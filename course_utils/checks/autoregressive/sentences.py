"""What can be wrong with a masked convolution besides its mask: the sentences."""

# ruff: noqa: E501

LAYER_MISTAKES = {
    "not-masked": "the mask has no effect: the convolution runs with the weights as they are. Convolve with `weight * mask`.",
    "gradient-masked-only": "only the gradients are masked: forbidden weights keep their first, random values, and are used.",
    "masked-once": "after training it sees what it must not: the weights are masked once, at the start, and gradients fill them again.",
    "leaks-after-loading": "after load_state_dict it sees what it must not: mask the weights whenever they are used, in `forward`.",
    "leaks-in-eval": "in eval mode it sees what it must not: mask the weights in both modes.",
    "only-in-eval": "in training mode it sees what it must not: mask the weights in both modes.",
    "other-in-eval": "in eval mode the result is another: a masked convolution does the same in both modes.",
    "weights-erased": "the weights fade from call to call: something is multiplied into them, or into the mask, in place.",
    "weights-ignored": "other weights do not change the result: it works with a copy made at the start.",
    "weights-detached": "no gradient reaches the weights: something cut it off (`.detach()`, `.data`, `no_grad`?).",
    "mask-trained": "the mask is trained along with the weights: make it a buffer (`register_buffer`), not a parameter.",
    "mask-shared": "all layers share one mask, that of the layer made last: keep it in `self`, not in the class or a global.",
    "loading-breaks": "a state_dict of one layer cannot be loaded into another, or gives another result there: create all parameters and buffers in `__init__`.",
    "no-padding": "the image shrinks: keep its size with `padding=kernel_size // 2`, unless the caller says otherwise.",
    "padding-of-one": "the padding fits kernels of size 3 only: it is `kernel_size // 2`.",
    "other-shape": "the shape is wrong: (B, in, H, W) becomes (B, out, H, W).",
    "border": "in the middle of the image it is right, but not at its border: outside of the image there are zeros, and nothing comes in from the other side.",
    "ignores-padding": "the caller's `padding=` is ignored: it comes in `kwargs`, and counts more than your own.",
    "ignores-stride": "the caller's `stride=` is ignored: hand `kwargs` to nn.Conv2d, and convolve with what it keeps.",
    "ignores-dilation": "the caller's `dilation=` is ignored: hand `kwargs` to nn.Conv2d, and convolve with what it keeps.",
    "ignores-bias": "the caller's `bias=False` is ignored: hand `kwargs` to nn.Conv2d.",
    "no-options": "it does not take the further arguments of nn.Conv2d (`padding`, `stride`, `dilation`, `bias`), or gives one of them twice: `kwargs.setdefault(\"padding\", ...)` helps.",
    "no-bias": "the bias is missing: like nn.Conv2d, the layer adds one unless `bias=False` is asked for.",
    "one-size-only": "it works for images or batches of one size only: remember no shapes between calls.",
    "sets-seed": "making a layer sets the seed of the global random generator: leave that to whoever trains.",
    "not-a-layer": "calling it does not make a layer: MaskedConv2d is a class below nn.Conv2d.",
    "not-a-class": "it is a function that makes layers: MaskedConv2d is a class below nn.Conv2d.",
}  # fmt: skip
