"""A scene of known factors: a block with a face on the ground, under a lamp, seen from some side.

    factors = draw_factors(100, torch.Generator().manual_seed(0))
    pictures = render_scene(factors)                                 (N, 3, 32, 32)
    turned = render_scene(changed(factors, "viewpoint"))             the same scenes, seen from elsewhere

Generation as direct rendering: a picture under another viewpoint, light, background or attribute (a hat), all else
being equal. Rays are cast through each pixel onto boxes and the ground, which needs no search: a ray meets a box
between the last of the three slabs that it enters and the first that it leaves (Kay & Kajiya, SIGGRAPH 1986).
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_utils.data.sprites import hue_to_rgb

FACTOR_NAMES = ("width", "height", "hue", "viewpoint", "light", "background", "attribute")
# What `draw_factors` draws from, uniformly; the attribute is 0 (bareheaded) or 1 (with a hat).
RANGES = {
    "width": (0.75, 1.05),
    "height": (0.8, 1.2),
    "hue": (0.0, 1.0),
    "viewpoint": (-0.75, 0.05),
    "light": (0.6, 1.5),
    "background": (0.0, 1.0),
}
TURN = 0.7  # radians by which the camera goes round the block when the viewpoint changes

# Where rays go through a pixel: four places of a rotated grid, which tells upright and level edges apart best.
SAMPLES = ((0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875))
FAR = 1e4
CAMERA_DISTANCE, CAMERA_HEIGHT, LOOK_AT, FOCAL_LENGTH = 5.0, 2.0, 0.72, 3.2


def draw_factors(num_scenes: int, generator: Generator) -> Tensor:
    """Return random factors (N, 7), in the order of FACTOR_NAMES; half of the blocks wear a hat."""
    factors = torch.rand(num_scenes, len(FACTOR_NAMES), generator=generator)
    for index, (low, high) in enumerate(RANGES.values()):
        factors[:, index] = low + (high - low) * factors[:, index]
    factors[:, -1] = (factors[:, -1] < 0.5).float()
    return factors


def changed(factors: Tensor, name: str) -> Tensor:
    """Return the factors with one of them changed, always in the same way, so that there is something to learn.

    The viewpoint goes round by TURN, the light comes from the other side, the background takes the opposite hue, and
    the attribute changes over.

    Raises: ValueError if the name is not one of those four.
    """
    if name not in ("viewpoint", "light", "background", "attribute"):
        raise ValueError(f"only viewpoint, light, background and attribute change, got {name!r}.")
    index, new = FACTOR_NAMES.index(name), factors.clone()
    value = new[:, index]
    new[:, index] = {
        "viewpoint": value + TURN,
        "light": -value,
        "background": (value + 0.5) % 1,
        "attribute": 1 - value,
    }[name]
    return new


def render_scene(factors: Tensor, size: int = 32) -> Tensor:
    """Return the pictures (N, 3, size, size) in [0, 1] of factors (N, 7).

    width and height of the block; its hue; viewpoint and light, radians by which camera and lamp stand to the right of
    the face's front; the background's hue; attribute, 1 with a hat.

    Raises: ValueError if factors is not (N, 7).
    """
    if factors.ndim != 2 or factors.shape[1] != len(FACTOR_NAMES):
        raise ValueError(f"factors must be (N, {len(FACTOR_NAMES)}), got {tuple(factors.shape)}.")
    pictures = 0.0
    for right, down in SAMPLES:
        pictures = pictures + _cast(factors, size, right, down)
    return (pictures / len(SAMPLES)).clamp(0, 1)


def _boxes(factors: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return lowest and highest corner, (N, 1, 1, 3), of the head, and of the brim and the crown of its hat."""
    width, height, hat = (factors[:, FACTOR_NAMES.index(name)] for name in ("width", "height", "attribute"))
    brim, crown = height + 0.09 * hat, height + 0.55 * hat
    sizes = ((width / 2, 0 * height, height), (0.68 * width * hat, height, brim), (0.42 * width * hat, brim, crown))
    return [
        (torch.stack([-half, -half, low], 1)[:, None, None], torch.stack([half, half, high], 1)[:, None, None])
        for half, low, high in sizes
    ]


def _hit(origin: Tensor, ray: Tensor, box: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return how far along the ray a box is met, (N, S, S), FAR if never, and on a face of which axis (0, 1 or 2)."""
    ray = torch.where(ray.abs() < 1e-6, 1e-6, ray)
    one, other = (box[0] - origin) / ray, (box[1] - origin) / ray
    entered, axis = torch.minimum(one, other).max(-1)
    left = torch.maximum(one, other).amin(-1)
    return torch.where((entered < left) & (entered > 1e-3), entered, FAR), axis


def _cast(factors: Tensor, size: int, right: float, down: float) -> Tensor:
    """Return the colours (N, 3, S, S) that one ray a pixel meets."""
    n = len(factors)
    width, height, hue, viewpoint, light, background, _ = (value.view(n, 1, 1) for value in factors.unbind(1))
    steps = torch.arange(size, dtype=factors.dtype, device=factors.device)
    u = (2 * (steps + right) / size - 1).view(1, 1, -1).expand(n, size, size)
    v = (1 - 2 * (steps + down) / size).view(1, -1, 1).expand(n, size, size)

    # The camera looks at the block's middle from (cos, sin) of its angle; x is the direction of the face.
    cos, sin, zero = viewpoint.cos(), viewpoint.sin(), 0 * viewpoint
    eye = torch.stack([CAMERA_DISTANCE * cos, CAMERA_DISTANCE * sin, zero + CAMERA_HEIGHT], -1)
    ahead = F.normalize(torch.stack([zero, zero, zero + LOOK_AT], -1) - eye, dim=-1)
    sideways = torch.stack([-sin, cos, zero], -1)
    upwards = torch.linalg.cross(ahead, sideways)
    upwards = upwards * upwards[..., 2:].sign()
    ray = F.normalize(FOCAL_LENGTH * ahead + u[..., None] * sideways + v[..., None] * upwards, dim=-1)

    boxes = _boxes(factors)
    hits = [_hit(eye, ray, box) for box in boxes]
    to_ground = torch.where(ray[..., 2] < -1e-4, -eye[..., 2] / ray[..., 2].clamp(max=-1e-4), FAR)
    distance, what = torch.stack([to_ground, *(hit[0] for hit in hits)]).min(0)
    point = eye + distance.clamp(max=50)[..., None] * ray
    axis = torch.stack([torch.full_like(what, 2), *(hit[1] for hit in hits)]).gather(0, what[None])[0]
    normal = -F.one_hot(axis, 3) * torch.sign(ray)

    # What the surfaces are like: ground, head with its face, hat.
    far_colour = 0.68 + 0.3 * hue_to_rgb(background.flatten())
    ground = far_colour.view(n, 1, 1, 3) * 0.92
    head = (0.2 + 0.75 * hue_to_rgb(hue.flatten())).view(n, 1, 1, 3).expand(n, size, size, 3)
    face = _face(point[..., 1] / (width / 2), point[..., 2] / height) * ((axis == 0) & (normal[..., 0] > 0))
    head = torch.where(face[..., None] > 0.5, head.new_tensor([0.98, 0.98, 0.96]), head)
    head = torch.where(face[..., None] > 1.5, head.new_tensor([0.10, 0.08, 0.12]), head)
    hat = head.new_tensor([0.20, 0.18, 0.26])
    what = what[..., None]
    surface = torch.where(what == 0, ground, torch.where(what == 1, head, hat))

    lamp = F.normalize(torch.stack([light.cos(), light.sin(), zero + 1.1], -1), dim=-1)
    facing = (normal * lamp).sum(-1).clamp(min=0)
    start = point + 1e-3 * normal
    for box in boxes:
        facing = torch.where(_hit(start, lamp.expand_as(start), box)[0] < FAR, 0.0, facing)
    lit = surface * (0.45 + 0.75 * facing)[..., None]
    # The ground fades into the background with the distance.
    haze = ((distance - CAMERA_DISTANCE) / 7).clamp(0, 1)[..., None] * (what == 0)
    sky = far_colour.view(n, 1, 1, 3) * (1.02 - 0.25 * v[..., None].clamp(min=0))
    return (lit + haze * (sky - lit)).movedim(-1, 1)


def _face(across: Tensor, up: Tensor) -> Tensor:
    """Return 1 on the whites of the eyes, 2 on pupils and mouth, else 0, for -1 < across < 1 and 0 < up < 1."""
    from_eye = torch.hypot(across.abs() - 0.42, 1.6 * (up - 0.66))
    smile = ((up - 0.24 - 0.35 * across**2).abs() < 0.055) & (across.abs() < 0.55)
    dark = (from_eye < 0.15) | smile
    return torch.where(dark, 2.0, (from_eye < 0.3).to(across))


def scene_pairs(name: str, num_pairs: int, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return the pictures (N, 3, S, S) of scenes and of the same with the factor `name` changed."""
    factors = draw_factors(num_pairs, generator)
    if name == "attribute":
        factors[:, -1] = 0.0  # a hat is put on, never taken off
    return render_scene(factors, size), render_scene(changed(factors, name), size)
