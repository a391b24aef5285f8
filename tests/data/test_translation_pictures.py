"""What the drawn sets say of themselves, against the pictures."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data import load_domains, load_pairs
from course_utils.data.translation import aerial, colour, day_night, edges, facades, scene, striped
from course_utils.data.translation.canvas import (
    band,
    capsule,
    covered,
    ellipse,
    luminance,
    pixel_grid,
    smooth_noise,
    with_luminance,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# The brushes.


def fine(size, factor=16):
    """Centres of factor x factor samples a pixel."""
    return pixel_grid(size * factor)


def averaged(inside, factor=16):
    return torch.nn.functional.avg_pool2d(inside.double()[:, None], factor)[:, 0]


def test_a_band_covers_the_share_of_each_pixel_that_lies_in_it():
    x, _ = pixel_grid(8)
    low, high = torch.tensor([0.1, 0.31, 0.5]).view(3, 1, 1), torch.tensor([0.77, 0.33, 0.5]).view(3, 1, 1)
    points, _ = fine(8, 1000)
    exact = ((points >= low) & (points < high)).double().view(3, 1, 8, 1000).mean(-1)
    assert torch.allclose(band(x, low, high, 8).double(), exact, atol=1e-3)


@pytest.mark.parametrize(
    "shape",
    [
        lambda x, y: ellipse(x - 0.45, y - 0.55, 0.3, 0.3),
        lambda x, y: ellipse(x - 0.5, y - 0.5, 0.4, 0.2),
        lambda x, y: capsule(x, y, (0.3, 0.3), (0.6, 0.7), 0.15),
    ],
)
def test_coverage_is_nearly_the_share_of_a_pixel_inside_the_outline(shape):
    cover = covered(shape(*pixel_grid(32)), 32).double()
    exact = averaged(shape(*fine(32)) < 0)
    assert (cover - exact).abs().max() < 0.2  # a pixel cut at 45 degrees: a ramp for a square
    assert cover.mean() == pytest.approx(exact.mean().item(), rel=0.01)


def test_a_capsule_is_a_disc_at_its_end_and_as_wide_as_it_says():
    far = capsule(torch.tensor(0.9), torch.tensor(0.2), (0.2, 0.2), (0.6, 0.2), 0.1)
    beside = capsule(torch.tensor(0.4), torch.tensor(0.5), (0.2, 0.2), (0.6, 0.2), 0.1)
    assert far.item() == pytest.approx(0.2)
    assert beside.item() == pytest.approx(0.2)


def test_luminance_is_pillows_and_colours_are_brought_to_it():
    x = torch.rand(1, 3, 5, 7, generator=generator())
    levels = (x * 255).round()
    picture = Image.fromarray(levels[0].permute(1, 2, 0).byte().numpy())
    grey = torch.from_numpy(np.array(picture.convert("L")).astype(int))
    assert ((luminance(levels / 255) * 255)[0, 0] - grey).abs().max() <= 1
    colours, due = torch.rand(50, 3, generator=generator(1)), torch.rand(50, 1, generator=generator(2)) * 0.9 + 0.05
    moved = with_luminance(colours, due)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert torch.allclose(luminance(moved), due, atol=1e-6)


def test_noise_is_alike_to_all_sides_and_has_a_uniform_draws_mean_and_spread():
    noise = smooth_noise(generator(), 2000, 12, 16)
    middle = noise[:, 8, 8]
    assert abs(middle.mean() - 0.5) < 4 * 0.29 / 2000**0.5
    assert abs(middle.std() - 12**-0.5) < 0.02  # a little less: what is outside of [0, 1] is clipped
    right, down = (noise[:, 8, 8] - noise[:, 8, 9]).std(), (noise[:, 8, 8] - noise[:, 9, 8]).std()
    assert right / down == pytest.approx(1, abs=0.1)


# Labels -> facade.


@pytest.mark.parametrize("size", [16, 32, 64])
def test_labels_are_the_colours_of_the_classes_and_a_house_is_a_grid(size):
    layout = facades.draw_layouts(40, size, generator(3))
    found = facades.classes(layout, size)
    source, _ = facades.labels_to_facade(40, size, generator(3))
    nearest = (source.movedim(1, -1)[..., None, :] - facades.PALETTE).abs().sum(-1).min(-1)
    assert torch.equal(nearest.indices, found)
    assert nearest.values.max() == 0
    name = facades.CLASSES.index
    columns, floors = layout.num_columns.flatten(), layout.num_floors.flatten()
    width, height = layout.window_width.flatten(), layout.window_height.flatten()
    # As many windows as columns and floors say, less the door's, each of the stated size.
    assert torch.equal((found == name("window")).sum((1, 2)), (columns * floors - 1) * width * height)
    door = found == name("door")
    below = layout.storey - facades.window_top(layout)
    street = layout.street.flatten()
    assert torch.equal(door.sum((1, 2)), width * below.flatten())
    assert torch.equal((found == name("street")).sum((1, 2)), size * street)
    assert (door.any(2).float().cumsum(1).argmax(1) + 1 == size - street).all()  # the door reaches the street
    assert set(found.unique().tolist()) == set(range(len(facades.CLASSES)))


def test_one_layout_has_many_valid_facades():
    """Another draw gives another house on the same map: other walls, the same place for everything."""
    layout = facades.draw_layouts(30, 32, generator())
    found = facades.classes(layout, 32)
    one, other = (facades.photograph(layout, found, generator(seed)) for seed in (1, 2))
    wall = (found == facades.CLASSES.index("wall")).unsqueeze(1)
    colours = [(x * wall).sum((2, 3)) / wall.sum((2, 3)) for x in (one, other)]
    assert ((colours[0] - colours[1]).abs().amax(1) > 0.05).float().mean() > 0.7


# Edges -> picture.


def test_lines_lie_where_parts_end():
    """On lines the picture changes: next to none of the vase's inside is drawn over, and every border is drawn."""
    vases = edges.draw_vases(20, generator())
    found = edges.parts(vases, 64)
    lines = 1 - edges.line_drawing(found, 64)[:, 0]
    part = (found.body < 0).int() + 2 * (found.mouth < 0).int()
    part = part + 4 * ((found.handles < 0) & (found.body >= 0)).int()
    for index, distance in enumerate(found.bands):
        part = part + 8 * (index + 1) * ((distance < 0) & (found.body < 0) & (found.mouth >= 0)).int()
    border = torch.zeros_like(part, dtype=torch.bool)
    border[:, 1:] |= part[:, 1:] != part[:, :-1]
    border[:, :, 1:] |= part[:, :, 1:] != part[:, :, :-1]
    near = torch.nn.functional.max_pool2d(border.float()[:, None], 5, 1, 2)[:, 0] > 0
    assert lines[~near].mean() < 1e-4  # but for the tips of the mouth, thinner than a pixel
    drawn = torch.nn.functional.max_pool2d(lines[:, None], 3, 1, 1)[:, 0]
    assert (drawn[border] > 0.5).float().mean() > 0.98


def test_a_vase_is_symmetric_and_white_around():
    x = load_pairs("edges_to_picture", num_pairs=20, size=32).source
    assert torch.allclose(x, x.flip(3), atol=1e-4)
    assert (x[:, :, :, [0, -1]] == 1).all()


# Grey -> colour.


def test_grey_is_the_luminance_of_the_colours():
    pairs = load_pairs("grey_to_colour", num_pairs=20)
    assert torch.equal(pairs.source, luminance(pairs.target))


def test_free_hues_have_one_luminance_so_that_grey_does_not_tell_them():
    colours = colour.any_hue(500, 0.55, generator())
    assert torch.allclose(luminance(colours), torch.full((500, 1), 0.55), atol=1e-6)
    hue_like = colours.argmax(1)
    assert torch.bincount(hue_like, minlength=3).min() > 110  # 167 each expected, standard deviation 11


def test_trees_are_green_and_skies_are_not():
    x = load_pairs("grey_to_colour", num_pairs=100).target
    meadow, sky = x[:, :, -2].mean((0, 2)), x[:, :, :3].mean((0, 2, 3))
    assert meadow.argmax() == 1
    assert meadow[1] > 1.3 * meadow[[0, 2]].max()
    assert sky.argmax() != 1


# Day -> night.


def test_night_is_dark_but_for_windows_that_are_there_by_day():
    city = day_night.draw_cities(30, 64, generator())
    day, night = day_night.by_day(city, 64), day_night.by_night(city, 64, generator(1))
    assert night.mean() < 0.4 * day.mean()
    x, y = day_night.above_water(city, 64)
    panes, _ = day_night.windows(x, y, 64)
    on_land = torch.arange(64) < 64 * day_night.SHORE
    houses = torch.stack(day_night.house_covers(city, x, y, 64)).amax(0)
    lit = (night[:, 0] > 0.8) & (night[:, 2] < 0.6) & on_land[:, None]
    assert (panes.expand_as(houses)[lit] > 0.9).all()
    assert (houses[lit] > 0.9).all()
    there = (panes > 0.99) & (houses > 0.99) & on_land[:, None]
    assert lit.sum() / there.sum() == pytest.approx(0.5, abs=0.05)  # half of the windows, by other lamps each night
    other = day_night.by_night(city, 64, generator(2))
    assert ((other[:, 0] > 0.8) != (night[:, 0] > 0.8))[there].float().mean() == pytest.approx(0.5, abs=0.05)


def test_the_moon_stands_where_the_sun_stood():
    city = day_night.draw_cities(30, 64, generator())
    night = day_night.by_night(city, 64, generator())
    x, y = pixel_grid(64)
    # In the moon, off the bite; towers that stand before it are left out.
    houses = torch.stack(day_night.house_covers(city, x, y, 64)).amax(0)
    moon = (torch.hypot(x - city.sun[0] + 0.04, y - city.sun[1] - 0.015) < 0.012) & (houses == 0)
    assert moon.sum() > 20
    assert (night[:, 1][moon] > 0.75).float().mean() > 0.9


# Aerial -> map.


def test_the_map_is_one_flat_colour_a_class():
    covers, _, _ = aerial.layers(20, 64, generator())
    drawn = aerial.street_map(covers)
    assert torch.equal(drawn, load_pairs("aerial_to_map", num_pairs=20, size=64).target)
    whole = torch.stack(covers)
    pure = ((whole == 0) | (whole == 1)).all(0)
    # The last layer that covers a pixel gives its class.
    order = torch.arange(1, len(covers) + 1).view(-1, 1, 1, 1)
    index = torch.where(whole == 1, order, 0).amax(0)
    assert torch.allclose(drawn.movedim(1, -1)[pure], aerial.MAP[index[pure]], atol=1e-6)
    assert pure.float().mean() > 0.4
    assert torch.bincount(index[pure], minlength=len(aerial.CLASSES)).min() > 200


def test_water_is_dark_and_parks_are_green_from_above():
    covers, shadow, roofs = aerial.layers(20, 64, generator())
    photograph = aerial.photograph(covers, shadow, roofs, generator(1)).movedim(1, -1)
    park, _, street, main_road, water = (cover == 1 for cover in covers)
    open_park = park & ~street & ~main_road & ~water & (covers[2] + covers[3] + covers[4] == 0)
    assert photograph[open_park].mean(0).argmax() == 1
    assert photograph[water].mean() < 0.6 * photograph[main_road].mean()


# Scenes of known factors.


@pytest.mark.parametrize("name", ["viewpoint", "light", "background", "attribute"])
def test_scene_pairs_differ_in_one_factor_and_can_be_drawn_again(name):
    pairs = load_pairs(f"scene_{name}", num_pairs=10, size=32, seed=7)
    factors = scene.draw_factors(10, generator(3 * 7))
    if name == "attribute":
        factors[:, -1] = 0
    new = scene.changed(factors, name)
    assert [scene.FACTOR_NAMES[k] for k in range(7) if (new != factors)[:, k].any()] == [name]
    assert (new != factors)[:, scene.FACTOR_NAMES.index(name)].all()
    assert torch.equal(pairs.source, scene.render_scene(factors, 32))
    assert torch.equal(pairs.target, scene.render_scene(new, 32))
    assert (pairs.source - pairs.target).abs().flatten(1).max(1).values.min() > 0.2


def one_scene(**changes):
    values = {
        "width": 1.0,
        "height": 1.0,
        "hue": 0.0,
        "viewpoint": 0.0,
        "light": 0.9,
        "background": 0.6,
        "attribute": 0.0,
    }
    return torch.tensor([[float({**values, **changes}[name]) for name in scene.FACTOR_NAMES]])


def test_seen_from_the_front_a_scene_is_its_own_mirror_image():
    """So is the light: from the right, mirrored, is from the left."""
    mirrored = scene.render_scene(one_scene(light=-0.9), 64).flip(3)
    assert (
        scene.render_scene(one_scene(), 64) - mirrored
    ).abs().mean() < 2e-3  # the samples in a pixel are not mirrored
    turned = scene.render_scene(one_scene(viewpoint=0.4, light=-0.3), 64).flip(3)
    assert (scene.render_scene(one_scene(viewpoint=-0.4, light=0.3), 64) - turned).abs().mean() < 3e-3


def test_the_block_is_as_high_and_wide_as_perspective_says():
    """Its front stands at x = w / 2: a corner (y, z) there is seen at a place that pencil and paper give."""
    size, width, height = 128, 0.9, 1.1
    x = scene.render_scene(one_scene(width=width, height=height), size)[0]
    front = (x[0] > 2 * x[1]) & (x[0] > 2 * x[2])  # red
    columns = front.any(0).nonzero().flatten()
    rows = front.any(1).nonzero().flatten()
    down = math.atan2(scene.CAMERA_HEIGHT - scene.LOOK_AT, scene.CAMERA_DISTANCE)

    def seen_at(y, z, depth):
        away, below = scene.CAMERA_DISTANCE - depth, scene.CAMERA_HEIGHT - z
        ahead = away * math.cos(down) + below * math.sin(down)
        up = away * math.sin(down) - below * math.cos(down)
        return ((scene.FOCAL_LENGTH * y / ahead + 1) / 2 * size, (1 - scene.FOCAL_LENGTH * up / ahead) / 2 * size)

    right, bottom = seen_at(width / 2, 0, width / 2)
    upper_right, _ = seen_at(width / 2, height, width / 2)
    _, top = seen_at(0, height, -width / 2)  # the far edge of its top
    assert columns.max() + 1 == pytest.approx(max(right, upper_right), abs=1.1)
    assert rows.max() + 1 == pytest.approx(bottom, abs=1.1)
    assert rows.min() == pytest.approx(top, abs=1.1)


def test_the_shadow_lies_away_from_the_lamp_and_the_lit_side_is_brighter():
    x = scene.render_scene(one_scene(light=1.2, background=0.6), 64)[0].mean(0)
    ground = x[44:58]
    assert ground[:, :20].min() < 0.6 * ground[:, 44:].mean()  # light from the right, shadow to the left
    assert ground[:, 44:].std() < 0.08


def test_a_hat_changes_nothing_but_what_it_hides_and_shades():
    bare, hatted = scene.render_scene(one_scene(), 64)[0], scene.render_scene(one_scene(attribute=1), 64)[0]
    changed = (bare - hatted).abs().amax(0) > 1e-6
    assert not changed[-6:].any()
    assert changed[:24].any()
    assert 0.05 < changed.float().mean() < 0.5


def test_scenes_refuse_what_they_cannot_draw_or_change():
    with pytest.raises(ValueError, match=r"factors must be \(N, 7\), got \(2, 6\)"):
        scene.render_scene(torch.zeros(2, 6))
    with pytest.raises(ValueError, match="only viewpoint, light, background and attribute change, got 'hue'"):
        scene.changed(one_scene(), "hue")


# Plain -> striped.


def test_the_true_translation_differs_on_the_animal_alone():
    domains = load_domains("plain_to_striped", num_images=30, size=64, seed=2)
    animals = striped.draw_animals(30, 64, generator(3 * 2))
    cover = striped.silhouettes(animals, 64).unsqueeze(1)
    difference = (domains.source - domains.translated).abs()
    assert (difference * (cover == 0)).max() == 0
    assert difference.amax(1, keepdim=True)[cover == 1].mean() > 0.2
    assert torch.equal(domains.source, striped.render_animals(animals, 64, stripes=False))
    assert 0.1 < cover.mean() < 0.35


def test_the_domains_have_nothing_to_do_with_each_other():
    """What varies from animal to animal is uncorrelated across the domains, and equally distributed in both."""
    n = 1500
    g = generator()
    plain, others = striped.draw_animals(n, 16, g), striped.draw_animals(n, 16, g)
    for field in ("x", "scale", "facing", "horizon", "coat", "sky", "grass"):
        a, b = (getattr(animals, field).flatten(1)[:, 0] for animals in (plain, others))
        assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 4 / n**0.5, field
        assert abs(a.mean() - b.mean()) < 4 * a.std() * (2 / n) ** 0.5, field
    # So the striped pictures, drawn from `others`, have no partner among the plain ones.
    domains = load_domains("plain_to_striped", num_images=20, size=32)
    assert (domains.translated[:, None] - domains.target[None]).abs().mean((2, 3, 4)).min() > 0.01


def test_stripes_alternate_along_the_body():
    domains = load_domains("plain_to_striped", num_images=20, size=64, seed=4)
    animals = striped.draw_animals(20, 64, generator(3 * 4))
    for index in range(20):
        row = int(animals.y[index].item() * 64)
        span = int(0.2 * animals.scale[index].item() * 64)
        middle = int(animals.x[index].item() * 64)
        grey = luminance(domains.translated)[index, 0, row, middle - span : middle + span]
        crossings = ((grey[1:] > 0.5) != (grey[:-1] > 0.5)).sum()
        assert 4 <= crossings <= 8  # 0.4 of the body's length, in stripes of 0.066
        plain = luminance(domains.source)[index, 0, row, middle - span : middle + span]
        assert ((plain[1:] > 0.5) != (plain[:-1] > 0.5)).sum() <= 1
