import warnings

import torch

from tests.answers.bank import wrong


def right_where(image, mask, fill):
    return torch.where(mask.bool(), image, fill)


def right_sum_of_products(image, mask, fill):
    mask = mask.to(image.dtype)
    return mask * image + (1 - mask) * fill


def right_float_mask(image, mask, fill):
    mask = mask.float()
    return image * mask + fill * (1.0 - mask)


def right_lerp(image, mask, fill):
    return torch.lerp(fill, image, mask.to(image.dtype).expand_as(image))


def right_from_the_fill(image, mask, fill):
    return fill + mask * (image - fill)


def right_from_the_image(image, mask, fill):
    return image + torch.logical_not(mask) * (fill - image)


def right_indexing(image, mask, fill):
    result = fill.clone()
    known = mask.bool().expand_as(image)
    result[known] = image[known]
    return result


def right_masked_fill(image, mask, fill):
    known = mask != 0
    return image.masked_fill(~known, 0.0) + fill.masked_fill(known, 0.0)


def right_masked_scatter(image, mask, fill):
    hole = (mask < 0.5).expand(image.shape)
    return image.masked_scatter(hole, fill[hole])


def right_clone_and_in_place(image, mask, fill):
    result = image.clone()
    result.mul_(mask)
    result.add_(fill * mask.logical_not())
    return result


def right_addcmul(image, mask, fill):
    return torch.addcmul(fill * (mask == 0), mask.double(), image)


def right_loop(image, mask, fill):
    mask = mask.expand(image.shape)
    examples = [torch.where(m > 0.5, x, f) for x, m, f in zip(image, mask, fill, strict=True)]
    return torch.stack(examples)


def right_gather(image, mask, fill):
    both = torch.stack([fill, image])
    index = mask.long().expand_as(image).unsqueeze(0)
    return both.gather(0, index).squeeze(0)


def right_broadcast_tensors(image, mask, fill):
    image, mask, fill = torch.broadcast_tensors(image, mask, fill)
    mask = mask.type_as(image)
    return torch.einsum("bchw,bchw->bchw", image, mask) + torch.einsum("bchw,bchw->bchw", fill, 1 - mask)


def right_float64_and_noise(image, mask, fill):
    print("mask", tuple(mask.shape))
    warnings.warn("a warning on the way", stacklevel=1)
    return torch.where(mask.type(torch.bool), image.double(), fill.double())


def right_threshold(image, mask, fill):
    return torch.where(mask >= 1, image, fill)


class Choose(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image, known, fill):
        ctx.save_for_backward(known)
        return torch.where(known, image, fill)

    @staticmethod
    def backward(ctx, grad):
        (known,) = ctx.saved_tensors
        return grad * known, None, grad * ~known


def right_custom_autograd(image, mask, fill):
    return Choose.apply(image, mask.bool(), fill)


@wrong("swapped")
def wrong_swapped(image, mask, fill):
    return torch.where(mask.bool(), fill, image)


@wrong("swapped")
def wrong_swapped_product(image, mask, fill):
    mask = mask.to(image.dtype)
    return mask * fill + (1 - mask) * image


@wrong("swapped")
def wrong_hole_of_the_image(image, mask, fill):
    return image * (1 - mask.float())


@wrong("returns-image")
def wrong_returns_image(image, mask, fill):
    return image.clone()


@wrong("returns-fill")
def wrong_threshold_above_one(image, mask, fill):
    return torch.where(mask > 1, image, fill)


@wrong("no-fill")
def wrong_no_fill(image, mask, fill):
    return image * mask


@wrong("no-fill")
def wrong_zeros(image, mask, fill):
    return torch.where(mask.bool(), image, torch.zeros_like(fill))


@wrong("no-image")
def wrong_no_image(image, mask, fill):
    return fill * (1 - mask.float())


@wrong("fill-everywhere")
def wrong_fill_everywhere(image, mask, fill):
    return image * mask + fill


@wrong("fill-everywhere")
def wrong_sum(image, mask, fill):
    return image + fill


@wrong("image-everywhere")
def wrong_image_everywhere(image, mask, fill):
    return image + (1 - mask.float()) * fill


@wrong("same-mask-twice")
def wrong_same_mask_twice(image, mask, fill):
    return mask * image + mask * fill


@wrong("subtracted")
def wrong_subtracted(image, mask, fill):
    mask = mask.to(image.dtype)
    return mask * image + (mask - 1) * fill


@wrong("blended")
def wrong_blended(image, mask, fill):
    return torch.where(mask.bool(), image, 0.5 * (image + fill))


@wrong("blended")
def wrong_half(image, mask, fill):
    return torch.where(mask.bool(), image, fill) / 2


@wrong("fill-mean")
def wrong_mean_of_the_fill(image, mask, fill):
    return torch.where(mask.bool(), image, fill.mean())


@wrong("fill-mean")
def wrong_mean_colour(image, mask, fill):
    return torch.where(mask.bool(), image, fill.mean((2, 3), keepdim=True))


@wrong("fill-mean")
def wrong_mean_of_the_known_pixels(image, mask, fill):
    known = mask.to(image.dtype).expand_as(image)
    mean = (known * image).sum() / known.sum()
    return known * image + (1 - known) * mean


@wrong("constant-fill")
def wrong_white(image, mask, fill):
    return image.masked_fill(~mask.bool(), 1.0)


@wrong("constant-fill")
def wrong_mask_added(image, mask, fill):
    return image * mask + (1 - mask.float())


@wrong("black-is-hole")
def wrong_black_is_hole(image, mask, fill):
    known = image * mask
    return torch.where(known == 0, fill, known)


@wrong("black-is-hole")
def wrong_black_fill_is_none(image, mask, fill):
    filled = fill * (1 - mask.float())
    return torch.where(filled != 0, filled, image)


@wrong("larger-value")
def wrong_larger_value(image, mask, fill):
    return torch.maximum(image * mask, fill * (1 - mask.float()))


@wrong("absolute")
def wrong_absolute(image, mask, fill):
    return torch.where(mask.bool(), image, fill).abs()


@wrong("clamped")
def wrong_clamped(image, mask, fill):
    return torch.where(mask.bool(), image, fill).clamp(-1, 1)


@wrong("clamped")
def wrong_clamped_to_unit(image, mask, fill):
    return torch.where(mask.bool(), image, fill).clamp(0, 1)


@wrong("first-channel")
def wrong_first_channel(image, mask, fill):
    result = image.clone()
    known = mask.bool().expand_as(image)[:, 0]
    result[:, 0] = torch.where(known, image[:, 0], fill[:, 0])
    return result


@wrong("first-example")
def wrong_first_example(image, mask, fill):
    return torch.where(mask.bool().expand_as(image)[0], image, fill)


@wrong("boolean-mask")
def wrong_one_minus(image, mask, fill):
    return mask * image + (1 - mask) * fill


@wrong("float-mask")
def wrong_where(image, mask, fill):
    return torch.where(mask, image, fill)


@wrong("float-mask")
def wrong_not(image, mask, fill):
    return mask * image + ~mask * fill


@wrong("float-mask")
def wrong_index(image, mask, fill):
    result = fill.clone()
    result[mask] = image[mask]
    return result


@wrong("not-broadcast")
def wrong_index_of_booleans(image, mask, fill):
    result = fill.clone()
    known = mask.bool()
    result[known] = image[known]
    return result


@wrong("not-broadcast")
def wrong_einsum(image, mask, fill):
    mask = mask.to(image.dtype)
    return torch.einsum("bchw,bchw->bchw", mask, image) + torch.einsum("bchw,bchw->bchw", 1 - mask, fill)


@wrong("not-broadcast")
def wrong_zip(image, mask, fill):
    return torch.stack([torch.where(m.bool(), x, f) for x, m, f in zip(image, mask, fill, strict=True)])


@wrong("not-broadcast")
def wrong_four_axes(image, mask, fill):
    known = mask.bool().expand(-1, image.shape[1], -1, -1)
    return torch.where(known, image, fill)


@wrong("detached", credit=0.6)
def wrong_detached(image, mask, fill):
    return torch.where(mask.bool(), image, fill).detach()


@wrong("detached", credit=0.6)
def wrong_new_tensor(image, mask, fill):
    return torch.tensor(torch.where(mask.bool(), image, fill).tolist(), dtype=image.dtype, requires_grad=True)


@wrong("partly-detached", credit=0.6)
def wrong_detached_fill(image, mask, fill):
    return torch.where(mask.bool(), image, fill.detach())


@wrong("partly-detached", credit=0.6)
def wrong_fill_under_no_grad(image, mask, fill):
    with torch.no_grad():
        filled = fill * mask.logical_not()
    return image * mask + filled


@wrong("partly-detached", credit=0.6)
def wrong_detached_image(image, mask, fill):
    return torch.where(mask.bool(), image.detach(), fill)


@wrong("changes-arguments", credit=0.6)
def wrong_in_place(image, mask, fill):
    image *= mask
    image += fill * mask.logical_not()
    return image


@wrong("changes-arguments", credit=0.6)
def wrong_written_into_the_image(image, mask, fill):
    hole = ~mask.bool().expand_as(image)
    image[hole] = fill[hole]
    return image


@wrong("changes-arguments", credit=0.6)
def wrong_written_into_the_fill(image, mask, fill):
    known = mask.bool().expand_as(image)
    fill[known] = image[known]
    return fill


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(image, mask, fill):
    return torch.where(mask.bool(), image.float(), fill.float())


@wrong("wrong-names", credit=0.9)
def wrong_names(image, mask, filling):
    return torch.where(mask.bool(), image, filling)


@wrong("single-example", credit=0.9)
def wrong_squeezed(image, mask, fill):
    return torch.where(mask.bool(), image, fill)[0] if len(image) == 1 else torch.where(mask.bool(), image, fill)


@wrong("returns-array")
def wrong_numpy(image, mask, fill):
    return torch.where(mask.bool(), image, fill).detach().numpy()


@wrong("integer-result")
def wrong_integers(image, mask, fill):
    return torch.where(mask.bool(), image, fill).long()


@wrong("returns-nothing")
def wrong_no_return(image, mask, fill):
    torch.where(mask.bool(), image, fill)


@wrong("random-result")
def wrong_noise_in_the_hole(image, mask, fill):
    return torch.where(mask.bool(), image, fill + 0.1 * torch.randn_like(fill))


@wrong(None)
def wrong_noise_scaled_fill(image, mask, fill):
    return torch.where(mask.bool(), image, 0.9 * fill)


@wrong(None)
def wrong_one_channel(image, mask, fill):
    return torch.where(mask.bool(), image, fill)[:, :1]


@wrong(None, credit=0.6)
def wrong_gradient_of_the_image_everywhere(image, mask, fill):
    chosen = torch.where(mask.bool(), image, fill)
    return chosen.detach() + (image - image.detach()) + (fill - fill.detach())
