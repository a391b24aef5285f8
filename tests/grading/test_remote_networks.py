"""Networks and optimisers on both sides: a student's own classes here, and a check's stubs in the student's hands."""

import copy

import pytest
import torch
from torch import nn

from course_utils.checks.stubs import LinearDiscriminator, LinearGenerator, SmoothCritic, Stub
from course_utils.grading.remote import RemoteModule, RemoteObject
from course_utils.grading.sandbox import RemoteRaised
from course_utils.grading.twins import load_state, module_state, replace_tensors
from course_utils.grading.wire import Decoder, Encoder, WireError

pytestmark = pytest.mark.usefixtures("seed")


def assert_close(got, expected):
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def assert_same_network(got: nn.Module, expected: nn.Module):
    """Equal parameters, gradients, buffers and modes."""
    assert [name for name, _ in got.named_parameters()] == [name for name, _ in expected.named_parameters()]
    for (name, one), other in zip(got.named_parameters(), expected.parameters(), strict=True):
        assert one.requires_grad == other.requires_grad, name
        assert (one.grad is None) == (other.grad is None), name
        assert_close(one.detach(), other.detach())
        if one.grad is not None:
            assert_close(one.grad, other.grad)
    assert dict(got.named_buffers()).keys() == dict(expected.named_buffers()).keys()
    for one, other in zip(got.buffers(), expected.buffers(), strict=True):
        assert_close(one, other)
    assert [m.training for m in got.modules()] == [m.training for m in expected.modules()]


# A student's own classes.

MASKED = """
class MaskedConv2d(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        kwargs.setdefault("padding", kernel_size // 2)
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        mask = torch.ones_like(self.weight)
        middle = kernel_size // 2
        mask[:, :, middle, middle + (mask_type == "B"):] = 0
        mask[:, :, middle + 1:] = 0
        self.register_buffer("mask", mask)
        self.kind = mask_type

    def forward(self, x):
        {forward}

    def count(self, more=1):
        return int(self.mask.sum()) + more
"""
MULTIPLIES = "return self._conv_forward(x, self.weight * self.mask, self.bias)"
ZEROES_ITSELF = "self.weight.data *= self.mask; return super().forward(x)"
KEEPS_MORE = "self.register_buffer('calls', getattr(self, 'calls', torch.zeros(())) + 1); return super().forward(x)"


def both(student, source, *args, **kwargs):
    """An instance there and one here with the same weights, in float64."""
    remote_class, local_class = student.define(source, source.split("class ")[1].split("(")[0].split(":")[0])
    remote, local = remote_class(*args, **kwargs).double(), local_class(*args, **kwargs).double()
    local.load_state_dict(remote.state_dict())
    return remote, local


@pytest.mark.parametrize("forward", [MULTIPLIES, ZEROES_ITSELF, KEEPS_MORE])
def test_a_module_is_called_and_differentiated_like_a_local_one(student, forward):
    remote, local = both(student, MASKED.format(forward=forward), "A", 2, 3, 3)
    assert isinstance(remote, nn.Module)
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    for _ in range(2):
        outputs = [module(x) for module in (remote, local)]
        assert_close(*outputs)
        got, expected = (
            torch.autograd.grad((output * weights).sum(), [x, *module.parameters()])
            for output, module in zip(outputs, (remote, local), strict=True)
        )
        assert_close(got, expected)
        assert_same_network(remote, local)


@pytest.mark.parametrize("forward", [MULTIPLIES, ZEROES_ITSELF])
@pytest.mark.parametrize("make", [lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), lambda p: torch.optim.Adam(p, 0.01)])
def test_training_here_gives_the_weights_of_a_local_one(student, forward, make):
    remote, local = both(student, MASKED.format(forward=forward), "B", 1, 2, 3, bias=False)
    x = torch.randn(4, 1, 5, 5, dtype=torch.float64)
    start = copy.deepcopy(local.state_dict())
    for module in (remote, local):
        optimizer = make(module.parameters())
        for _ in range(5):
            optimizer.zero_grad()
            (module(x) - x).square().mean().backward()
            optimizer.step()
    assert_same_network(remote, local)
    assert not torch.equal(start["weight"], remote.weight)


def test_the_loss_of_a_module_has_second_derivatives(student):
    remote, local = both(student, MASKED.format(forward=MULTIPLIES), "B", 1, 1, 3)
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    for module in (remote, local):
        (slope,) = torch.autograd.grad(module(x).tanh().sum(), x, create_graph=True)
        slope.square().sum().backward()
    assert_same_network(remote, local)


def test_weights_are_saved_and_loaded(student):
    remote, local = both(student, MASKED.format(forward=MULTIPLIES), "A", 1, 2, 3)
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    before = remote(x)
    saved = copy.deepcopy(remote.state_dict())
    assert list(saved) == list(local.state_dict()) == ["weight", "bias", "mask"]
    with torch.no_grad():
        remote.weight.add_(1)
    assert not torch.equal(remote(x), before)
    remote.load_state_dict(saved)
    assert torch.equal(remote(x), before)


def test_attributes_and_methods(student):
    remote, local = both(student, MASKED.format(forward=MULTIPLIES), "B", 1, 2, 3)
    assert remote.kind == "B"
    assert remote.kernel_size == (3, 3)
    assert torch.equal(remote.mask, local.mask)
    assert remote.count() == local.count()
    assert remote.count(more=5) == local.count() + 4
    assert not hasattr(remote, "not_there")
    with pytest.raises(RemoteRaised, match="expected"):
        remote(torch.zeros(1, 3, 4, 4, dtype=torch.float64))


def test_the_class_tells_what_it_is(student):
    remote_class, _ = student.define(MASKED.format(forward=MULTIPLIES), "MaskedConv2d")
    assert remote_class.is_module
    with pytest.raises(RemoteRaised, match="required positional arguments: 'out_channels' and 'kernel_size'"):
        remote_class("A", 1)


def test_the_mode_goes_there_and_submodules_and_statistics_come_back(student):
    source = """
    class Net(nn.Module):
        def __init__(self, width=3):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Dropout(0.5), nn.Linear(width, 1))
            self.register_buffer("scale", torch.tensor(2.0))
            self.tied = self.net[0].weight

        def forward(self, x):
            return self.scale * self.net(x)

        def freeze(self):
            self.net[0].requires_grad_(False)
            self.net[0].eval()
    """
    remote, local = both(student, source, width=4)
    x = torch.randn(8, 2, dtype=torch.float64)
    remote.eval(), local.eval()
    assert_close(remote(x), local(x))
    assert not remote.get_submodule("net.1").training
    remote.train(), local.train()
    remote(x), local(x)
    assert remote.get_submodule("net.1").num_batches_tracked == 1
    assert_same_network(remote, local)
    remote.freeze(), local.freeze()
    assert_same_network(remote, local)
    remote.eval(), local.eval()
    remote(x).sum().backward(), local(x).sum().backward()
    assert remote.tied is remote.get_submodule("net.0").weight
    assert remote.tied.grad is None
    assert_same_network(remote, local)


def test_a_module_that_grows_while_it_is_called_is_followed(student):
    source = """
    class Late(nn.Module):
        def forward(self, x):
            if not hasattr(self, "layer"):
                self.layer = nn.Linear(x.shape[1], 1)
                self.register_buffer("seen", torch.zeros(x.shape[1]))
            self.seen = torch.ones(2 * len(self.seen))
            return self.layer(x)
    """
    remote, _ = student.define(source, "Late")
    remote = remote()
    x = torch.randn(3, 2)
    for size in (4, 8):
        result = remote(x)
        assert torch.equal(remote.seen, torch.ones(size))
    assert_close(result, nn.functional.linear(x, remote.layer.weight, remote.layer.bias))


def test_a_network_of_the_notebook_is_found_by_its_name(student):
    student.run("network = nn.Sequential(nn.Linear(2, 2), nn.Tanh())")
    network = student.look_up("network")
    assert isinstance(network, RemoteModule)
    x = torch.randn(3, 2)
    weight, bias = network.parameters()
    assert_close(network(x), torch.tanh(nn.functional.linear(x, weight, bias)))


def test_an_object_of_a_plain_class(student):
    source = """
    class Counter:
        step = 2

        def __init__(self, start, *, step=None):
            self.value, self.secret = start, object()
            self.step = step or self.step

        def add(self, x):
            self.value = self.value + self.step * x
            return self.value

        def __call__(self, x):
            return -x
    """
    remote_class, local_class = student.define(source, "Counter")
    remote, local = remote_class(1.0, step=3), local_class(1.0, step=3)
    assert isinstance(remote, RemoteObject)
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    for _ in range(2):
        assert_close(remote.add(x), local.add(x))
    assert_close(remote.value.detach(), local.value.detach())
    assert remote(3) == -3
    assert remote.step == 3
    with pytest.raises(AttributeError, match="nothing"):
        remote.nothing  # noqa: B018
    with pytest.raises(RemoteRaised, match="unexpected keyword"):
        remote_class(1.0, stride=2)


# A check's networks in the student's hands.

PENALTY = """
def gradient_penalty(critic, real, fake):
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    x = (alpha * real + (1 - alpha) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
"""


def test_the_gradient_penalty_and_its_gradients_in_the_critic(student):
    remote, local = student.define(PENALTY, "gradient_penalty")
    critics = [SmoothCritic(channels=2, seed=3).double() for _ in range(2)]
    real, fake = torch.randn(2, 3, 2, 4, 5, dtype=torch.float64)
    remote.remote_calls.seed(9)
    got = remote(critics[0], real, fake)
    torch.manual_seed(9)
    expected = local(critics[1], real, fake)
    assert_close(got, expected)
    for loss in (got, expected):
        loss.backward()
    assert critics[0].conv.weight.grad.abs().max() > 1e-3
    assert_same_network(*critics)


def test_a_penalty_that_forgot_create_graph_has_no_gradient(student):
    remote, _ = student.define(PENALTY.replace("create_graph=True", "create_graph=False"), "gradient_penalty")
    loss = remote(SmoothCritic(channels=1), torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3))
    assert not loss.requires_grad


STEPS = """
def discriminator_step(generator, discriminator, optimizer, real, noise):
    {noise}
    logits_real, logits_fake = discriminator(real), discriminator(fake)
    loss = F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    {after}
    return loss

def generator_step(generator, discriminator, optimizer, noise):
    discriminator.requires_grad_(False)
    loss = F.softplus(-discriminator(generator(noise))).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    discriminator.requires_grad_(True)
    return loss.item()
"""
RIGHT = {"noise": "fake = generator(noise).detach()", "after": ""}
WRONG = {
    "leaks a gradient": {"noise": "fake = generator(noise)", "after": ""},
    "updates both": {
        "noise": "fake = generator(noise)",
        "after": "with torch.no_grad():\n        for p in generator.parameters(): p -= 0.1 * p.grad",
    },
    "leaves a mode": {"noise": "generator.eval(); fake = generator(noise).detach()", "after": ""},
    "freezes": {"noise": "generator.linear.bias.requires_grad_(False); fake = generator(noise)", "after": ""},
}
OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.5, 0.9)),
}


class Game:
    """A generator, a discriminator and their optimisers, and what happens when they are trained in turn."""

    def __init__(self, make):
        self.generator = LinearGenerator(num_latents=2, num_features=3, seed=1).double()
        self.discriminator = LinearDiscriminator(num_features=3, seed=2).double()
        self.optimizers = [make(network.parameters()) for network in (self.generator, self.discriminator)]

    def play(self, discriminator_step, generator_step, rounds=3):
        draw = torch.Generator().manual_seed(5)
        losses = []
        for _ in range(rounds):
            real, noise = (torch.randn(4, n, dtype=torch.float64, generator=draw) for n in (3, 2))
            losses.append(discriminator_step(self.generator, self.discriminator, self.optimizers[1], real, noise))
            losses.append(generator_step(self.generator, self.discriminator, self.optimizers[0], noise))
        return [loss.item() if isinstance(loss, torch.Tensor) else loss for loss in losses]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("parts", [RIGHT, *WRONG.values()], ids=["right", *WRONG])
def test_steps_of_a_gan_leave_both_networks_as_locally(student, parts, make):
    source = STEPS.format(**parts)
    remote_step, local_step = student.define(source, "discriminator_step")
    remote_games, local_games = Game(make), Game(make)
    got = remote_games.play(remote_step, student.look_up("generator_step"))
    expected = local_games.play(local_step, local_step.__globals__["generator_step"])
    assert_close(got, expected)
    assert_same_network(remote_games.generator, local_games.generator)
    assert_same_network(remote_games.discriminator, local_games.discriminator)


def test_a_wrong_step_is_told_apart_from_a_right_one(student):
    states = []
    for parts in (RIGHT, WRONG["updates both"]):
        remote, _ = student.define(STEPS.format(**parts), "discriminator_step")
        game = Game(OPTIMIZERS["SGD"])
        remote(
            game.generator, game.discriminator, game.optimizers[1], torch.ones(2, 3).double(), torch.ones(2, 2).double()
        )
        states.append(game.generator.linear)
    fresh = LinearGenerator(num_latents=2, num_features=3, seed=1).double().linear
    assert torch.equal(states[0].weight, fresh.weight)
    assert states[0].weight.grad is None
    assert not torch.equal(states[1].weight, fresh.weight)
    assert states[1].weight.grad is not None


def test_the_order_of_network_and_optimiser_does_not_matter(student):
    source = "def step(optimizer, network, x):\n    network(x).sum().backward()\n    optimizer.step()"
    remote, _ = student.define(source, "step")
    network = LinearDiscriminator(num_features=2)
    before = network.linear.weight.detach().clone()
    remote(torch.optim.SGD(network.parameters(), lr=0.5), network, torch.ones(3, 2))
    assert_close(network.linear.weight, before - 1.5)


def test_networks_in_a_list_are_followed_too(student):
    remote, _ = student.define("def f(networks):\n    networks[0].linear.weight.data.zero_()", "f")
    network = LinearDiscriminator(num_features=2)
    assert remote([network]) is None
    assert not network.linear.weight.any()


def test_an_optimiser_of_unknown_parameters_is_an_error_of_the_check(student):
    remote, _ = student.define("def f(optimizer):\n    pass", "f")
    with pytest.raises(TypeError, match="parameters of a network that no student's function was given"):
        remote(torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1))


SAMPLE = """
@torch.no_grad()
def sample_images(model, num_samples, image_shape, generator=None):
    model.eval()
    images = torch.zeros(num_samples, *image_shape, dtype=torch.int64)
    for place in range(images[0].numel()):
        probabilities = torch.sigmoid(model(images.flatten(1).double()))
        images.view(num_samples, -1)[:, place] = torch.bernoulli(probabilities[:, 0], generator=generator).long()
    return images
"""


def test_sampling_from_a_stub_with_a_generator(student):
    remote, local = student.define(SAMPLE, "sample_images")
    models = [LinearDiscriminator(num_features=6, seed=4).double() for _ in range(2)]
    generators = [torch.Generator().manual_seed(8) for _ in range(2)]
    remote.remote_calls.seed(1)
    before = remote.remote_calls.generator_states()
    for _ in range(2):
        got = remote(models[0], 5, (1, 2, 3), generator=generators[0])
        assert torch.equal(got, local(models[1], 5, (1, 2, 3), generator=generators[1]))
    assert remote.remote_calls.generator_states() == before
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    assert not models[0].training
    assert_same_network(*models)


# Stubs and twins.


def test_stubs_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    SmoothCritic(channels=2), LinearGenerator(num_latents=2, num_features=3), LinearDiscriminator(num_features=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_stubs_remember_what_they_were_made_of():
    for stub in (
        SmoothCritic(channels=2, width=3),
        LinearGenerator(num_latents=2, num_features=3),
        LinearDiscriminator(num_features=3),
    ):
        again = type(stub)(**stub.config)
        assert isinstance(stub, Stub)
        assert_same_network(again, stub)
        assert not isinstance(stub.config, nn.Module)


def test_a_smooth_critic_has_slopes_that_differ_and_curve():
    x = torch.randn(3, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    critic = SmoothCritic(channels=2).double()
    assert torch.autograd.gradgradcheck(critic, x.detach()[:1, :, :2, :2].requires_grad_())
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    norms = slope.flatten(1).norm(dim=1)
    assert norms.min() > 0.01
    assert norms.max() / norms.min() > 1.01


def test_a_state_holds_all_that_can_change():
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    module(torch.randn(4, 2)).square().sum().backward()
    module[0].bias.requires_grad_(False)
    module[1].eval()
    for twin in (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Module()):
        encoder = Encoder()
        load_state(twin, module_state(module, encoder), Decoder(encoder.buffers))
        assert_same_network(twin, module)


def test_what_has_not_changed_is_left_alone():
    module = nn.Linear(2, 1)
    module(torch.ones(2)).sum().backward()
    encoder = Encoder()
    state = module_state(module, encoder)
    versions, gradient = [p._version for p in module.parameters()], module.weight.grad
    load_state(module, state, Decoder(encoder.buffers))
    assert [p._version for p in module.parameters()] == versions
    assert module.weight.grad is gradient


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("training", [["a." * 100, True]]),
        ("training", [["a", True]] * 5001),
        ("training", [[3, True]]),
        ("training", [["", True], []]),
        ("parameters", [["weight", None, None, True]]),
        ("parameters", [["nowhere.weight", {"tensor": 0, "dtype": "float32", "shape": [2]}, None, True]]),
        ("parameters", [["weight", {"tensor": 0, "dtype": "int64", "shape": [1]}, None, True]]),
        ("parameters", [["weight", {"tensor": 0, "dtype": "float32", "shape": [2]}, 3, True]]),
        ("tied", [["weight", "bias"]]),
        ("buffers", [["mask", 3, 4]]),
    ],
)
def test_a_state_that_lies_is_refused(field, value):
    state = {"training": [["", True]], "parameters": [], "tied": [], "buffers": [], field: value}
    with pytest.raises((WireError, KeyError, ValueError, TypeError, AttributeError, RuntimeError)):
        load_state(nn.Linear(2, 1, bias=False), state, Decoder([bytes(8)]))


def test_tensors_are_replaced_wherever_they_are():
    old, new, other = torch.zeros(1), torch.ones(1), torch.zeros(1)
    got = replace_tensors([old, (other, {"a": [old]}), 3], {id(old): new})
    assert got[0] is new
    assert got[1][0] is other
    assert got[1][1]["a"][0] is new
    assert got[2] == 3
