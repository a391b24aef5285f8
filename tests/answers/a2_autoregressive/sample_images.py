import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Categorical

from tests.answers.bank import wrong


@torch.no_grad()
def right_plain(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    images = torch.zeros(num_samples, channels, height, width, dtype=torch.long)
    num_levels = model(images.float()).shape[1]
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                logits = model(images.float() / (num_levels - 1))
                probs = F.softmax(logits[:, :, c, i, j], dim=1)
                images[:, c, i, j] = torch.multinomial(probs, 1, generator=generator)[:, 0]
    return images


def right_unit_images_rounded(model, num_samples, image_shape, generator=None):
    x = torch.rand(num_samples, *image_shape, generator=generator)
    for i in range(image_shape[1]):
        for j in range(image_shape[2]):
            for c in range(image_shape[0]):
                with torch.no_grad():
                    p = model(x).softmax(dim=1)[:, :, c, i, j]
                levels = torch.multinomial(p, num_samples=1, generator=generator).squeeze(-1)
                x[:, c, i, j] = levels / (p.shape[1] - 1)
    return (x * (p.shape[1] - 1)).round().long()


def right_gumbel(model, num_samples, image_shape, generator=None):
    x = torch.full((num_samples, *image_shape), float("nan"))
    out = torch.empty(x.shape, dtype=torch.int64)
    for place in np.ndindex(*image_shape[1:], image_shape[0]):
        i, j, c = place
        logits = model(x)[:, :, c, i, j].detach()
        noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=generator).clamp(1e-12, 1 - 1e-7)))
        out[:, c, i, j] = (logits + noise).argmax(1)
        x[:, c, i, j] = out[:, c, i, j] / (logits.shape[1] - 1)
    return out


@torch.inference_mode()
def right_inverse_cdf(model, num_samples, image_shape, generator=None):
    device = next(model.parameters()).device
    images = torch.zeros((num_samples, *image_shape), dtype=torch.int64, device=device)
    V = model(images.float()).size(1)
    u = torch.rand(images.shape, generator=generator, dtype=torch.float64)
    for i in range(image_shape[1]):
        for j in range(image_shape[2]):
            for c in range(image_shape[0]):
                cdf = model(images.float() / (V - 1))[:, :, c, i, j].double().softmax(1).cumsum(1)
                levels = torch.searchsorted(cdf, u[:, c, i, j, None].contiguous())
                images[:, c, i, j] = levels[:, 0].clamp(max=V - 1)
    return images.clone()


def right_categorical_of_forked_seed(model, num_samples, image_shape, generator=None):
    def draw():
        x = torch.zeros(num_samples, *image_shape)
        for i in range(image_shape[1]):
            for j in range(image_shape[2]):
                for c in range(image_shape[0]):
                    logits = model(x).movedim(1, -1)
                    last = logits.shape[-1] - 1
                    x[:, c, i, j] = Categorical(logits=logits[:, c, i, j]).sample() / last
        return torch.round(x.detach() * last).to(torch.int64)

    if generator is None:
        return draw()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return draw()


def right_one_image_at_a_time(model, num_samples, image_shape, generator=None):
    model.eval()
    samples = []
    for _ in range(num_samples):
        image = torch.zeros(1, *image_shape)
        levels = torch.zeros(1, *image_shape, dtype=torch.long)
        for i in range(image_shape[1]):
            for j in range(image_shape[2]):
                for c in range(image_shape[0]):
                    with torch.no_grad():
                        p = torch.softmax(model(image)[0, :, c, i, j], 0)
                    levels[0, c, i, j] = torch.multinomial(p, 1, generator=generator).item()
                    image[0, c, i, j] = levels[0, c, i, j] / (len(p) - 1)
        samples.append(levels)
    return torch.cat(samples)


def right_channels_at_once_when_grey(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    x = torch.zeros(num_samples, channels, height, width)
    with torch.no_grad():
        for i in range(height):
            for j in range(width):
                logits = model(x)
                V = logits.shape[1]
                if channels == 1:
                    p = logits[:, :, :, i, j].permute(0, 2, 1).reshape(-1, V).softmax(-1)
                    drawn = torch.multinomial(p, 1, generator=generator).reshape(num_samples, channels)
                    x[:, :, i, j] = drawn.float() / (V - 1)
                    continue
                for c in range(channels):
                    p = model(x)[:, :, c, i, j].softmax(-1)
                    x[:, c, i, j] = torch.multinomial(p, 1, generator=generator).view(-1).float() / (V - 1)
    return (x * (V - 1) + 0.5).long()


def right_noisy_float64(model, num_samples, image_shape, generator=None):
    print("sampling", num_samples)
    x = torch.zeros(num_samples, *image_shape, dtype=torch.float64)
    for i, j, c in np.ndindex(image_shape[1], image_shape[2], image_shape[0]):
        p = model(x.clone()).detach().double().softmax(1)[:, :, c, i, j]
        x[:, c, i, j] = p.multinomial(1, generator=generator).flatten() / (p.size(1) - 1)
    return (x * (p.size(1) - 1)).round().type(torch.LongTensor)


def right_exponential_race(model, num_samples, image_shape, generator=None):
    C, H, W = image_shape
    flat = torch.zeros(num_samples, H * W * C, dtype=torch.long)
    V = None
    with torch.no_grad():
        for k in range(H * W * C):
            images = flat.view(num_samples, H, W, C).permute(0, 3, 1, 2)
            logits = model(images.float() if V is None else images / (V - 1))
            V = logits.shape[1]
            p = logits.permute(0, 3, 4, 2, 1).reshape(num_samples, H * W * C, V)[:, k].softmax(-1)
            flat[:, k] = (p / torch.empty_like(p).exponential_(generator=generator)).argmax(-1)
    return flat.view(num_samples, H, W, C).permute(0, 3, 1, 2).contiguous()


def right_numpy_noise(model, num_samples, image_shape, generator=None):
    if generator is None:
        uniform = np.random.random_sample
    else:
        uniform = np.random.default_rng(torch.randint(2**40, (1,), generator=generator).item()).random
    images = np.zeros((num_samples, *image_shape), dtype=np.int64)
    for i, j, c in np.ndindex(image_shape[1], image_shape[2], image_shape[0]):
        x = torch.from_numpy(images)
        V = model(x.float()).shape[1]
        probs = model(x.float() / (V - 1))[:, :, c, i, j].detach().double().softmax(1).numpy()
        u = uniform(num_samples)[:, None]
        images[:, c, i, j] = (probs.cumsum(1)[:, :-1] <= u).sum(1)
    return torch.from_numpy(images)


# A sampler with one place for every mistake.


@torch.no_grad()
def draw(model, num_samples, image_shape, generator=None, places=None, feed=None, pick=None, start=None):
    channels, height, width = image_shape
    images = torch.zeros(num_samples, *image_shape, dtype=torch.long) if start is None else start
    V = model(torch.zeros(num_samples, *image_shape)).shape[1]
    feed = feed or (lambda levels: levels.float() / (V - 1))
    pick = pick or (lambda logits: torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0])
    if places is None:
        places = [(c, i, j) for i in range(height) for j in range(width) for c in range(channels)]
    for c, i, j in places:
        images[:, c, i, j] = pick(model(feed(images))[:, :, c, i, j])
    return images


@wrong("columns-first")
def wrong_columns(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    places = [(c, i, j) for j in range(width) for i in range(height) for c in range(channels)]
    return draw(model, num_samples, image_shape, generator, places)


@wrong("earlier-not-there")
def wrong_reversed(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    places = [(c, i, j) for i in range(height) for j in range(width) for c in range(channels)]
    return draw(model, num_samples, image_shape, generator, places[::-1])


@wrong("row-apart")
def wrong_from_the_right(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    places = [(c, i, j) for i in range(height) for j in reversed(range(width)) for c in range(channels)]
    return draw(model, num_samples, image_shape, generator, places)


@wrong("channel-planes", credit=0.6)
def wrong_channel_planes(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    places = [(c, i, j) for c in range(channels) for i in range(height) for j in range(width)]
    return draw(model, num_samples, image_shape, generator, places)


@wrong("channels-apart", credit=0.6)
def wrong_channels_reversed(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    places = [(c, i, j) for i in range(height) for j in range(width) for c in reversed(range(channels))]
    return draw(model, num_samples, image_shape, generator, places)


@wrong("channels-apart", credit=0.6)
@torch.no_grad()
def wrong_channels_at_once(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    images = torch.zeros(num_samples, *image_shape, dtype=torch.long)
    V = model(images.float()).shape[1]
    for i in range(height):
        for j in range(width):
            p = model(images / (V - 1))[..., i, j].softmax(1).transpose(1, 2).flatten(0, 1)
            images[:, :, i, j] = torch.multinomial(p, 1, generator=generator).view(num_samples, channels)
    return images


def all_at_once(logits, generator):
    batch, V, *shape = logits.shape
    p = logits.softmax(1).movedim(1, -1).reshape(-1, V)
    return torch.multinomial(p, 1, generator=generator).view(batch, *shape)


@wrong("row-apart")
@torch.no_grad()
def wrong_rows_at_once(model, num_samples, image_shape, generator=None):
    images = torch.zeros(num_samples, *image_shape, dtype=torch.long)
    for i in range(image_shape[1]):
        logits = model(images / max(model(images).shape[1] - 1, 1))
        images[:, :, i] = all_at_once(logits[:, :, :, i : i + 1], generator)[:, :, 0]
    return images


@wrong("earlier-not-there")
@torch.no_grad()
def wrong_one_call(model, num_samples, image_shape, generator=None):
    return all_at_once(model(torch.zeros(num_samples, *image_shape)), generator)


@wrong("earlier-not-there")
@torch.no_grad()
def wrong_never_written(model, num_samples, image_shape, generator=None):
    x = torch.zeros(num_samples, *image_shape)
    out = torch.zeros(num_samples, *image_shape, dtype=torch.long)
    for i in range(image_shape[1]):
        for j in range(image_shape[2]):
            for c in range(image_shape[0]):
                p = model(x)[:, :, c, i, j].softmax(1)
                out[:, c, i, j] = torch.multinomial(p, 1, generator=generator).squeeze(1)
    return out


@wrong("raw-levels")
def wrong_raw_levels(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator, feed=lambda levels: levels.float())


@wrong("raw-levels")
def wrong_raw_integers(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator, feed=lambda levels: levels)


@wrong("divided-by-v")
def wrong_divided_by_v(model, num_samples, image_shape, generator=None):
    V = model(torch.zeros(1, *image_shape)).shape[1]
    return draw(model, num_samples, image_shape, generator, feed=lambda levels: levels / V)


@wrong("divided-by-255")
def wrong_bytes(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator, feed=lambda levels: levels / 255)


@wrong("symmetric-range")
def wrong_symmetric(model, num_samples, image_shape, generator=None):
    V = model(torch.zeros(1, *image_shape)).shape[1]
    return draw(model, num_samples, image_shape, generator, feed=lambda levels: 2 * levels / (V - 1) - 1)


@wrong("argmax")
def wrong_argmax(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator, pick=lambda logits: logits.argmax(1))


@wrong("same-image")
def wrong_same_image(model, num_samples, image_shape, generator=None):
    return draw(model, 1, image_shape, generator).repeat(num_samples, 1, 1, 1)


@wrong("same-image")
def wrong_one_uniform_a_pixel(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return (torch.rand(1, generator=generator) > logits.softmax(1).cumsum(1)).sum(1).clamp(max=logits.shape[1] - 1)

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("shared-draw")
def wrong_one_uniform_an_image(model, num_samples, image_shape, generator=None):
    u = torch.rand(num_samples, 1, generator=generator)

    def pick(logits):
        return (u > logits.softmax(1).cumsum(1)).sum(1).clamp(max=logits.shape[1] - 1)

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("shared-over-samples")
def wrong_half_the_batch_twice(model, num_samples, image_shape, generator=None):
    half = draw(model, (num_samples + 1) // 2, image_shape, generator)
    return torch.cat([half, half])[:num_samples]


@wrong("shared-over-samples")
def wrong_every_image_twice(model, num_samples, image_shape, generator=None):
    half = draw(model, (num_samples + 1) // 2, image_shape, generator)
    return half.repeat_interleave(2, 0)[:num_samples]


@wrong("softmax-axis")
def wrong_softmax_over_batch(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return torch.multinomial(logits.softmax(0), 1, generator=generator)[:, 0]

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("softmax-axis")
@torch.no_grad()
def wrong_softmax_over_width(model, num_samples, image_shape, generator=None):
    images = torch.zeros(num_samples, *image_shape, dtype=torch.long)
    V = model(images).shape[1]
    for i in range(image_shape[1]):
        for j in range(image_shape[2]):
            for c in range(image_shape[0]):
                p = F.softmax(model(images / (V - 1)), dim=-1)[:, :, c, i, j]
                images[:, c, i, j] = torch.multinomial(p, 1, generator=generator)[:, 0]
    return images


@wrong("uniform-levels")
@torch.no_grad()
def wrong_softmax_over_channels(model, num_samples, image_shape, generator=None):
    images = torch.zeros(num_samples, *image_shape, dtype=torch.long)
    V = model(images).shape[1]
    for i in range(image_shape[1]):
        for j in range(image_shape[2]):
            for c in range(image_shape[0]):
                p = F.softmax(model(images / (V - 1)), dim=2)[:, :, c, i, j]
                images[:, c, i, j] = torch.multinomial(p, 1, generator=generator)[:, 0]
    return images


@wrong("temperature")
def wrong_cold(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return torch.multinomial((logits / 0.5).softmax(1), 1, generator=generator)[:, 0]

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("temperature")
def wrong_warm(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return torch.multinomial((logits / 2).softmax(1), 1, generator=generator)[:, 0]

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("uniform-levels")
def wrong_uniform(model, num_samples, image_shape, generator=None):
    V = model(torch.zeros(1, *image_shape)).shape[1]
    return torch.randint(V, (num_samples, *image_shape), generator=generator)


@wrong("logits-as-probabilities")
def wrong_logits_as_probabilities(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return torch.multinomial(logits, 1, generator=generator)[:, 0]

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("logits-as-probabilities")
def wrong_categorical_of_logits(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, pick=lambda logits: Categorical(logits).sample())


@wrong("sigmoid")
def wrong_bernoulli(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return torch.bernoulli(torch.sigmoid(logits[:, 1]), generator=generator).long()

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("sigmoid")
def wrong_sigmoid_of_each(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return torch.multinomial(logits.sigmoid(), 1, generator=generator)[:, 0]

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("unit-range")
def wrong_intensities(model, num_samples, image_shape, generator=None):
    V = model(torch.zeros(1, *image_shape)).shape[1]
    return draw(model, num_samples, image_shape, generator) / (V - 1)


@wrong("unit-range")
def wrong_long_of_intensities(model, num_samples, image_shape, generator=None):
    V = model(torch.zeros(1, *image_shape)).shape[1]
    return (draw(model, num_samples, image_shape, generator) / (V - 1)).long()


@wrong("truncated")
def wrong_truncated(model, num_samples, image_shape, generator=None):
    V = model(torch.zeros(1, *image_shape)).shape[1]
    return (draw(model, num_samples, image_shape, generator) / (V - 1) * (V - 1)).long()


@wrong("float-levels")
def wrong_floats(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator).float()


@wrong("other-integers")
def wrong_bytes_out(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator).to(torch.uint8)


@wrong("level-out-of-range")
def wrong_from_one(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator) + 1


@wrong("wrong-shape")
def wrong_no_channel_axis(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator).squeeze(1)


@wrong("wrong-shape")
def wrong_transposed(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator).transpose(2, 3)


@wrong("wrong-shape")
def wrong_flat(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator).flatten(1)


@wrong("image-sides")
def wrong_sides(model, num_samples, image_shape, generator=None):
    channels, width, height = image_shape
    places = [(c, i, j) for i in range(height) for j in range(width) for c in range(channels)]
    return draw(model, num_samples, image_shape, generator, places)


@wrong("some-not-drawn")
def wrong_last_pixel_missing(model, num_samples, image_shape, generator=None):
    channels, height, width = image_shape
    places = [(c, i, j) for i in range(height) for j in range(width) for c in range(channels)]
    return draw(model, num_samples, image_shape, generator, places[:-channels])


@wrong("some-not-drawn")
def wrong_square_image(model, num_samples, image_shape, generator=None):
    side = min(image_shape[1:])
    places = [(c, i, j) for i in range(side) for j in range(side) for c in range(image_shape[0])]
    return draw(model, num_samples, image_shape, generator, places)


@wrong("some-not-drawn", credit=0.5)
def wrong_first_channel_only(model, num_samples, image_shape, generator=None):
    places = [(0, i, j) for i in range(image_shape[1]) for j in range(image_shape[2])]
    return draw(model, num_samples, image_shape, generator, places)


@wrong("fixed-seed")
def wrong_seed_inside(model, num_samples, image_shape, generator=None):
    if generator is None:
        torch.manual_seed(0)
    return draw(model, num_samples, image_shape, generator)


@wrong("generator-ignored", credit=0.8)
def wrong_generator_ignored(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, None)


@wrong("generator-ignored", credit=0.8)
def wrong_categorical(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, pick=lambda logits: Categorical(logits=logits).sample())


@wrong("generator-ignored", credit=0.8)
def wrong_own_generator(model, num_samples, image_shape, generator=None):
    generator = torch.Generator().manual_seed(int(np.random.default_rng().integers(2**31)))
    return draw(model, num_samples, image_shape, generator)


@wrong("generator-ignored", credit=0.8)
def wrong_seeds_the_global_one(model, num_samples, image_shape, generator=None):
    if generator is not None:
        torch.manual_seed(generator.initial_seed())
    return draw(model, num_samples, image_shape, None)


@wrong("global-touched", credit=0.8)
def wrong_both_generators(model, num_samples, image_shape, generator=None):
    start = torch.randint(2, (num_samples, *image_shape))
    return draw(model, num_samples, image_shape, generator, start=start)


@wrong("same-generator-images", credit=0.8)
def wrong_initial_seed(model, num_samples, image_shape, generator=None):
    if generator is not None:
        generator = torch.Generator().manual_seed(generator.initial_seed())
    return draw(model, num_samples, image_shape, generator)


@wrong("far-overflow", credit=0.9)
def wrong_exp(model, num_samples, image_shape, generator=None):
    def pick(logits):
        weights = logits.exp()
        return torch.multinomial(weights / weights.sum(1, keepdim=True), 1, generator=generator)[:, 0]

    return draw(model, num_samples, image_shape, generator, pick=pick)


@wrong("single-example", credit=0.8)
def wrong_squeezed(model, num_samples, image_shape, generator=None):
    def pick(logits):
        return torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]

    return draw(model, num_samples, image_shape, generator, pick=pick).squeeze(0)


@wrong("changes-model", credit=0.8)
def wrong_changes_model(model, num_samples, image_shape, generator=None):
    for parameter in model.parameters():
        parameter.data.add_(1.0)
    return draw(model, num_samples, image_shape, generator)


@wrong("wrong-names", credit=0.8)
def wrong_names(model, n, shape, generator=None):
    return draw(model, n, shape, generator)


@wrong("wrong-names", credit=0.8)
def wrong_no_generator(model, num_samples, image_shape):
    return draw(model, num_samples, image_shape)


@wrong("returns-array")
def wrong_array(model, num_samples, image_shape, generator=None):
    return draw(model, num_samples, image_shape, generator).numpy()


@wrong("returns-nothing")
def wrong_no_return(model, num_samples, image_shape, generator=None):
    draw(model, num_samples, image_shape, generator)


@wrong(None)
def wrong_every_tenth_value_random(model, num_samples, image_shape, generator=None):
    images = draw(model, num_samples, image_shape, generator)
    return torch.where(torch.rand(images.shape, generator=generator) < 0.1, torch.zeros_like(images), images)
