"""Character RNN: a language model, the chain rule with a recurrent network as its memory of all that came before.

    log p(c_1 ... c_T) = sum_t log softmax(logits_t)[c_t],    logits_t = W h_t + b,    h_t = GRU(h_{t-1}, c_{t-1})

with c_0 a start symbol. What a masked network does by hiding weights, a recurrent one does by reading in order.

Sources: Graves 2013, "Generating sequences with recurrent neural networks" (arXiv 1308.0850), section 3; Cho et al.
2014 (arXiv 1406.1078) for the GRU.
Shapes: codes of characters (B, T), int64; logits (B, V, T) for V characters; log-probabilities (B,), in nats.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEXT = """\
A model of images is a bet on what the next picture will be. It has one unit of belief, no more and no less, and it \
must spread that unit over all the pictures that there can be. What it puts on noise it cannot put on faces. So we \
ask of a model not that it is sure, but that it is sure of the right things, and we ask it with pictures that it has \
not seen.
There are many ways to place the bet. One way is to draw the picture a pixel at a time, from the upper left corner \
to the lower right one, and to say at each pixel what the next one is likely to be. A pixel below a white pixel is \
often white, and a pixel at the edge of a letter is hard to guess. The bets on the pixels are multiplied, and the \
logarithm of the product is a sum. A model that draws this way can say how likely a picture is, and it can draw a \
new one, but it draws slowly, as a writer does who may not look ahead.
Another way is to start from a few hidden numbers and to paint the whole picture at once. The hidden numbers say \
what is in the picture, and the painter says how it looks. Such a model draws fast, but to say how likely a given \
picture is, it must think of all hidden numbers that could have led to it. It cannot think of all of them, so it \
thinks of the likely ones, and is content with a bound.
A third way is to bend simple noise into pictures by steps that can be undone. Then each picture comes from one \
place in the noise, and the price of each step is how much it stretches the space. A fourth way is a game of two \
players. One paints, the other tells paintings from photographs, and both learn from the mistakes of the other. The \
painter never says how likely a picture is, and nobody may ask.
Writing is like painting from left to right. The reader of this page has seen the letter q and waits for the letter \
u. A language model waits in the same way: it reads the letters so far, keeps what it needs to remember, and bets on \
the next letter. At first it bets on every letter alike. Then it learns that a space is frequent, that the is a \
word, that a sentence ends with a point. What it has learnt can be measured in bits for each letter: the fewer bits \
it needs, the better it has read.
"""


class CharRNN(nn.Module):
    """A GRU that reads characters and bets on the next one.

    Args:
        alphabet: the characters that a text may hold, each once.
        hidden_dim: the width of embeddings and of the GRU's layers.
        num_layers: the number of the GRU's layers.
    """

    def __init__(self, alphabet: str, hidden_dim: int = 128, num_layers: int = 1):
        super().__init__()
        if not alphabet or len(set(alphabet)) < len(alphabet):
            raise ValueError(f"the alphabet must hold each character once, got {alphabet!r}")
        self.alphabet = alphabet
        self.start = len(alphabet)  # the code of what stands before the first character
        self.embedding = nn.Embedding(len(alphabet) + 1, hidden_dim)
        self.rnn = nn.GRU(hidden_dim, hidden_dim, num_layers, batch_first=True)
        self.output = nn.Linear(hidden_dim, len(alphabet))

    def encode(self, text: str) -> Tensor:
        """Return the codes of a text, int64 (T,). Raises ValueError for a character that the alphabet lacks."""
        unknown = sorted(set(text) - set(self.alphabet))
        if unknown:
            raise ValueError(f"the alphabet lacks {unknown[0]!r}; it is {self.alphabet!r}")
        codes = [self.alphabet.index(character) for character in text]
        return torch.tensor(codes, dtype=torch.int64, device=self.output.weight.device)

    def decode(self, codes: Tensor) -> str:
        """Return the text of codes (T,)."""
        return "".join(self.alphabet[code] for code in codes.tolist())

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of each character given those before it: (B, V, T), for codes (B, T)."""
        self._require_codes(codes)
        before = F.pad(codes[:, :-1], (1, 0), value=self.start)
        h, _ = self.rnn(self.embedding(before))
        return self.output(h).transpose(1, 2)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Return log p of each text of T characters: (B,), in nats, exact. Raises ValueError for what is no code."""
        return -F.cross_entropy(self(codes), codes, reduction="none").sum(1)

    def loss(self, codes: Tensor) -> Tensor:
        """Return the mean of -log p for each character: (), in nats."""
        return -self.log_prob(codes).mean() / codes.shape[1]

    @torch.no_grad()
    def bits_per_character(self, text: str) -> float:
        """Return -log2 p(text) / T, the bits that a character of the text costs."""
        return self.loss(self.encode(text).unsqueeze(0)).item() / math.log(2)

    @torch.no_grad()
    def sample(
        self,
        num_samples: int,
        length: int,
        prompt: str = "",
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> list[str]:
        """Return texts that go on from the prompt, each `length` characters beyond it, which it repeats.

        Each character is drawn from softmax(logits / temperature): at 1 from the model, below it from likelier ones,
        at 0 the likeliest. The memory h_t makes each step cost the same, however long the text.
        Raises ValueError for num_samples or length below 1, or a temperature below 0.
        """
        if num_samples < 1 or length < 1 or not temperature >= 0:
            raise ValueError(
                "num_samples and length must be at least 1 and temperature at least 0, "
                f"got {num_samples}, {length} and {temperature}"
            )
        codes = F.pad(self.encode(prompt), (1, 0), value=self.start).expand(num_samples, -1)
        read, memory = codes, None  # first the start symbol and the prompt, then a character at a time
        for _ in range(length):
            h, memory = self.rnn(self.embedding(read), memory)
            logits = self.output(h[:, -1])
            if temperature == 0:
                read = logits.argmax(1, keepdim=True)
            else:
                read = torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)
            codes = torch.cat([codes, read], dim=1)
        return [self.decode(text[1:]) for text in codes]

    def _require_codes(self, codes: Tensor) -> None:
        if codes.dtype != torch.int64 or codes.ndim != 2 or codes.shape[1] == 0:
            raise ValueError(f"codes must be int64 (B, T) with T at least 1, got {codes.dtype} {tuple(codes.shape)}")
        low, high = codes.aminmax()
        if low < 0 or high >= self.start:
            raise ValueError(f"codes must lie in 0 ... {self.start - 1}, got values from {low} to {high}")


def windows(codes: Tensor, length: int) -> Tensor:
    """Return all stretches of `length` characters of a text, (T - length + 1, length), as batches to train on.

    Raises ValueError unless the text has that many characters.
    """
    if not 1 <= length <= len(codes):
        raise ValueError(f"length must be from 1 to the text's {len(codes)}, got {length}")
    return codes.unfold(0, length, 1)
