"""The character RNN against enumeration of all texts, its own logits, and frequencies of letters."""

import itertools
import math

import pytest
import torch

from course_utils.models.autoregressive.char_rnn import TEXT, CharRNN, windows


def random_model(num_layers=1):
    model = CharRNN("abc", hidden_dim=6, num_layers=num_layers).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.8)
    return model


def all_texts(length):
    return torch.tensor(list(itertools.product(range(3), repeat=length)))


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("length", [1, 4])
def test_probabilities_of_all_texts_of_a_length_sum_to_one(num_layers, length):
    total = random_model(num_layers).log_prob(all_texts(length)).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


def test_logits_depend_on_all_earlier_characters_and_on_no_other():
    model = random_model()
    codes = torch.tensor([[0, 2, 1, 1, 0]])
    with torch.no_grad():
        logits = model(codes)
        assert logits.shape == (1, 3, 5)
        for t in range(5):
            changed = codes.clone()
            changed[0, t] = (codes[0, t] + 1) % 3
            moved = (model(changed) != logits).any(1)[0]
            assert moved.tolist() == [later > t for later in range(5)]


def test_log_prob_is_the_sum_over_prefixes_read_one_character_at_a_time():
    model, codes = random_model(2), all_texts(4)[::5]
    memory, read, due = None, torch.full((len(codes), 1), 3), 0
    for t in range(4):
        h, memory = model.rnn(model.embedding(read), memory)
        read = codes[:, t : t + 1]
        due = due + model.output(h[:, 0]).log_softmax(1).gather(1, read).squeeze(1)
    torch.testing.assert_close(model.log_prob(codes), due)
    torch.testing.assert_close(model.loss(codes), -due.mean() / 4)
    text = model.decode(codes[3])
    assert model.bits_per_character(text) == pytest.approx(-due[3].item() / 4 / math.log(2))


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_samples_after_a_prompt_have_the_frequencies_of_the_parallel_logits(temperature):
    model, num_samples, prompt = random_model(), 40_000, "cab"
    texts = model.sample(num_samples, 2, prompt, temperature, torch.Generator().manual_seed(1))
    assert all(len(text) == 5 and text.startswith(prompt) for text in texts)
    codes = torch.cat([model.encode(prompt).expand(9, 3), all_texts(2)], dim=1)
    log_p = (model(codes) / temperature).log_softmax(1).gather(1, codes.unsqueeze(1))[:, 0, 3:].sum(1)
    expected = num_samples * log_p.exp().detach()
    torch.testing.assert_close(expected.sum().item(), float(num_samples))
    found = [text[3:] for text in texts]
    counts = torch.tensor([found.count(model.decode(code)) for code in all_texts(2)])
    common = expected > 5
    chi_square = ((counts - expected)[common] ** 2 / expected[common]).sum().item()
    degrees = int(common.sum())
    assert degrees > 4
    assert abs(chi_square - degrees) < 5 * (2 * degrees) ** 0.5


def test_without_a_prompt_the_start_symbol_is_read():
    model, num_samples = random_model(), 20_000
    texts = model.sample(num_samples, 1, generator=torch.Generator().manual_seed(2))
    p = model.log_prob(all_texts(1)).exp().detach()
    counts = torch.tensor([texts.count(letter) for letter in "abc"])
    assert ((counts - num_samples * p).abs() < 5 * (num_samples * p * (1 - p)).sqrt()).all()


def test_at_temperature_zero_each_character_is_the_likeliest():
    model = random_model()
    (text,) = model.sample(1, 6, "b", temperature=0)
    codes = model.encode(text).unsqueeze(0)
    assert torch.equal(model(codes).argmax(1)[0, 1:], codes[0, 1:])


def test_a_generator_decides_the_samples_and_leaves_the_global_one():
    model = random_model()
    before = torch.get_rng_state()
    first = model.sample(3, 9, generator=torch.Generator().manual_seed(3))
    assert first == model.sample(3, 9, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_text_goes_to_codes_and_back():
    model = CharRNN("".join(sorted(set(TEXT))), hidden_dim=4)
    assert model.decode(model.encode(TEXT)) == TEXT
    assert model.encode("").tolist() == []
    assert 300 < len(TEXT.split()) < 500
    stretches = windows(torch.arange(5), 3)
    assert stretches.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_it_learns_to_wait_for_u_after_q():
    """A text whose next letter is certain but for its start: one letter of three, then no more surprise."""
    torch.manual_seed(4)
    model = CharRNN("qua", hidden_dim=16).double()
    batch = windows(model.encode("qua" * 8), 12)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimizer.step()
    # Stretches start evenly (up to one) at each letter: the entropy of the start, shared by 12 characters.
    starts = torch.bincount(batch[:, 0]).double() / len(batch)
    entropy = -(starts * starts.log()).sum().item() / 12
    assert entropy < loss.item() < entropy + 0.005
    assert model.sample(1, 5, "q", temperature=0) == ["quaqua"]


def test_what_does_not_fit_is_named():
    model = random_model()
    with pytest.raises(ValueError, match="lacks 'd'"):
        model.encode("abd")
    for bad in (torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"codes must be int64 \(B, T\)"):
            model(bad)
    for bad in (torch.tensor([[0, 3]]), torch.tensor([[-1, 0]])):
        with pytest.raises(ValueError, match=r"codes must lie in 0 \.\.\. 2"):
            model.log_prob(bad)
    for arguments in ((0, 1), (1, 0), (1, 1, "", -1.0), (1, 1, "", float("nan"))):
        with pytest.raises(ValueError, match="num_samples and length must be at least 1"):
            model.sample(*arguments)
    for length in (0, 4):
        with pytest.raises(ValueError, match=f"length must be from 1 to the text's 3, got {length}"):
            windows(torch.arange(3), length)
    for alphabet in ("", "aba"):
        with pytest.raises(ValueError, match="each character once"):
            CharRNN(alphabet)
