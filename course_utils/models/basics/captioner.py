"""An image captioner: a sentence about an image, word after word, looking where the next word asks for it.

    log p(s | x) = sum_t log p(word_t | word_1 ... word_t-1, x),    loss  -log p(s | x) per word, in nats

    cells of x by convolutions,  h_t, the state of a recurrent network that has read word_1 ... word_t-1
    where to look  a_t = softmax over cells of q(h_t)^T k(cell),   what is seen  sum over cells of a_t v(cell)

The next word is told from the state and from what is seen (attention). A sentence ends with a word of its own, so the
probabilities of all sentences, of every length, sum to 1.

Source: Vinyals et al. 2015, Show and tell (arXiv 1411.4555); Xu et al. 2015, Show, attend and tell (arXiv 1502.03044),
with the scaled dot products of Vaswani et al. 2017 (arXiv 1706.03762). Shapes: x (B, C, H, W), sentences as strings,
words as integers (B, T), END after the last word, logits (B, T, V).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

END = 0  # the word that ends a sentence, and that begins it as its own predecessor


class Vocabulary:
    """The words of some sentences, numbered from 1; 0 is END."""

    def __init__(self, sentences: list[str]):
        self.words = ["<end>", *sorted({word for sentence in sentences for word in sentence.split()})]
        self.index = {word: k for k, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, sentences: list[str]) -> Tensor:
        """Return words (B, T) int64, each sentence filled up with END. Raises ValueError for an unknown word."""
        unknown = {word for sentence in sentences for word in sentence.split()} - self.index.keys()
        if unknown:
            raise ValueError(f"the vocabulary does not hold {', '.join(sorted(unknown))}")
        rows = [[self.index[word] for word in sentence.split()] for sentence in sentences]
        length = max(map(len, rows)) + 1
        return torch.tensor([row + [END] * (length - len(row)) for row in rows])

    def decode(self, words: Tensor) -> list[str]:
        """Return the sentence of each row, up to the first END."""
        rows = [row[: row.index(END)] if END in row else row for row in words.tolist()]
        return [" ".join(self.words[k] for k in row) for row in rows]


class Captioner(nn.Module):
    """A network that looks, a gated recurrent unit that reads the words, and attention between them.

    Args:
        look: from images to cells of features, (B, D, H', W'); a network that has learned to see, such as the trunk of
            a detector, saves most of the training. Hand it over with `requires_grad_(False)`: the first gradients come
            through parts that know nothing yet, and would make it forget what it sees.
        cell_shape: (D, H', W').
        num_words: size V of the vocabulary, END included.
    """

    def __init__(self, look: nn.Module, cell_shape: tuple[int, int, int], num_words: int, hidden_dim: int = 64):
        super().__init__()
        if num_words < 2:
            raise ValueError(f"num_words must be at least 2, END and another word, got {num_words}")
        num_features, *self.grid = cell_shape
        self.look = look
        self.project = nn.Linear(num_features, hidden_dim)
        # Places weigh as much as features: a query must soon learn to ask for "the next one", a question of place.
        self.places = nn.Parameter(torch.randn(math.prod(self.grid), hidden_dim))
        self.begin = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(self.grid) * hidden_dim, hidden_dim), nn.Tanh())
        self.embed = nn.Embedding(num_words, hidden_dim)
        self.recurrent = nn.GRU(hidden_dim, hidden_dim, batch_first=True)
        self.attention = nn.MultiheadAttention(hidden_dim, num_heads=1, batch_first=True)
        self.head = nn.Sequential(nn.Linear(2 * hidden_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, num_words))

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """Return the logits of every word given those before it, (B, T, V)."""
        return self._read(x, words)[0]

    def attend(self, x: Tensor, words: Tensor) -> Tensor:
        """Return where each word was looked for: weights of the cells, (B, T, H', W'), of sum 1."""
        return self._read(x, words)[1].unflatten(2, self.grid)

    def _read(self, x: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.look(x)
        if list(seen.shape[2:]) != self.grid:
            raise ValueError(f"{self.grid} cells were due, but of x {tuple(x.shape)} came {list(seen.shape[2:])}")
        features = self.project(seen.flatten(2).transpose(1, 2))
        cells = features + self.places
        before = torch.cat([torch.full_like(words[:, :1], END), words[:, :-1]], 1)
        states, _ = self.recurrent(self.embed(before), self.begin(features).unsqueeze(0))
        answers, weights = self.attention(states, cells, cells)
        return self.head(torch.cat([states, answers], 2)), weights

    def log_prob(self, x: Tensor, words: Tensor) -> Tensor:
        """Return log p(sentence | x), up to the first END, (B,), in nats."""
        of_words = -F.cross_entropy(self(x, words).transpose(1, 2), words, reduction="none")
        return of_words.masked_fill(~_counts(words), 0).sum(1)

    def loss(self, x: Tensor, words: Tensor) -> Tensor:
        """Return -log p(sentence | x) per word, END counted, over the batch: (), in nats."""
        return -self.log_prob(x, words).sum() / _counts(words).sum()

    @torch.no_grad()
    def describe(self, x: Tensor, max_words: int = 12) -> Tensor:
        """Return for each image the words (B, T) of a sentence, the likeliest next word each time."""
        words = torch.full((len(x), 1), END, device=x.device)  # the last place is the one to be filled
        while True:
            words[:, -1] = self(x, words)[:, -1].argmax(1)
            if words.shape[1] == max_words or (words == END).any(1).all():
                return words
            words = F.pad(words, (0, 1), value=END)


def _counts(words: Tensor) -> Tensor:
    """Return which words belong to the sentence, (B, T) bool: those up to and with the first END."""
    is_end = (words == END).long()
    return is_end.cumsum(1) == is_end
