"""Messages between the grader and the student's process: JSON with raw tensor bytes beside it.

A message is a header and buffers: 12 bytes with the sizes of both (big-endian, 4 and 8), the header as JSON, then the
buffers one after the other. Nothing is ever unpickled or evaluated, and a decoder believes no size, type or depth.

Values are JSON where JSON has them; all others are a dictionary with one telling key:
    {"tensor": buffer, "dtype": "float32", "shape": [2, 3], "requires_grad": true, "leaf": false}
    {"array": buffer, "dtype": "<f8", "shape": [], "scalar": true}   {"generator": buffer}
    {"tuple": [...]}   {"dict": [[key, value], ...]}   {"float": "nan"}
    {"object": 3}      a thing that stays where it is (`Handle`)
    {"opaque": "Foo", "text": "<Foo at ...>"}            what cannot travel (`Opaque`)
"""

import json
import math
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

SIZES = struct.Struct("!IQ")
LONGEST_HEADER = 8 * 1024**2
MOST_BUFFERS = 10_000
DEEPEST = 32
MOST_VALUES = 200_000  # in one value, all that it holds counted
MOST_AXES = 16
LONGEST_INTEGER = 2**63
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}
MIME_TYPES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg", "image/svg+xml")
ARRAY_DTYPES = (
    *("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"),
    *("<f2", "<f4", "<f8", "<c8", "<c16"),
)


class WireError(Exception):
    """What came is no message of this protocol."""


class ClosedError(WireError):
    """The other end is gone."""


class TooLargeError(WireError):
    """The message has more bytes than are allowed."""


class TooLateError(WireError):
    """No answer came in time."""


class _TooManyValuesError(Exception):
    pass


@dataclass(frozen=True)
class Handle:
    """Stands for an object that stays in the other process."""

    number: int


@dataclass(frozen=True, eq=False)
class Opaque:
    """What a student's function returned, where it is nothing that could travel: its type and its text."""

    type_name: str
    text: str

    def __repr__(self):
        return self.text or f"<{self.type_name}>"


def opaque(type_name: str, text: str) -> Opaque:
    """An `Opaque` whose own type has the given name, for messages that name what came."""
    name = type_name[:100] if type_name.isidentifier() else "object"
    return type(name, (Opaque,), {"__repr__": Opaque.__repr__})(name, text[:200])


def send(
    connection: socket.socket,
    header: dict,
    buffers: Sequence[bytes | memoryview] = (),
    deadline: float | None = None,
) -> None:
    """Send one message.

    Args:
        deadline: on the clock `time.monotonic`; None waits for ever.

    Raises:
        ClosedError: nobody is there to take it.
        TooLateError: the deadline passed.
    """
    header = {**header, "buffers": [len(buffer) for buffer in buffers]}
    # A str may hold lone surrogates; `json.loads` lets them pass as well.
    text = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    size = sum(len(buffer) for buffer in buffers)
    try:
        for data in (SIZES.pack(len(text), size) + text, *buffers):
            _set_timeout(connection, deadline)
            connection.sendall(data)
    except TimeoutError as error:
        raise TooLateError("the message was not taken in time") from error
    except OSError as error:
        raise ClosedError(str(error)) from error


def receive(connection: socket.socket, *, largest: int, deadline: float | None = None) -> tuple[dict, list[memoryview]]:
    """The next message: header and buffers.

    Args:
        largest: the most bytes that the buffers may have together.
        deadline: on the clock `time.monotonic`; None waits for ever.

    Raises:
        ClosedError: the other end is gone.
        TooLateError: the deadline passed.
        TooLargeError: it has too many bytes.
        WireError: it is no message.
    """
    length, size = SIZES.unpack(_read(connection, SIZES.size, deadline))
    if length > LONGEST_HEADER or size > largest:
        raise TooLargeError(f"a message of {length + size} bytes")
    try:
        header = json.loads(bytes(_read(connection, length, deadline)))
    except (ValueError, RecursionError) as error:
        raise WireError("the header is not JSON") from error
    body = memoryview(_read(connection, size, deadline))
    lengths = header.get("buffers") if isinstance(header, dict) else None
    if not isinstance(lengths, list) or len(lengths) > MOST_BUFFERS:
        raise WireError("the buffers have no sizes")
    if not all(_is_count(n) for n in lengths) or sum(lengths) != size:
        raise WireError("the sizes of the buffers are wrong")
    buffers, start = [], 0
    for n in lengths:
        buffers.append(body[start : start + n])
        start += n
    return header, buffers


def _read(connection: socket.socket, size: int, deadline: float | None) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    got = 0
    while got < size:
        try:
            _set_timeout(connection, deadline)
            count = connection.recv_into(view[got:], min(size - got, 1 << 20))
        except TimeoutError as error:
            raise TooLateError("no answer in time") from error
        except OSError as error:
            raise ClosedError(str(error)) from error
        if count == 0:
            raise ClosedError("the connection was closed")
        got += count
    return data


def _set_timeout(connection: socket.socket, deadline: float | None) -> None:
    """Let the next operation take the time that is left. Raises TimeoutError if there is none."""
    if deadline is None:
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


class Encoder:
    """Turns values into JSON, collecting the bytes of tensors in `buffers`; what cannot travel becomes opaque.

    `keep` gives the number of the handle of an object that shall stay here, or None if it is none of those.
    """

    def __init__(self, keep=lambda value: None):
        self.buffers: list = []
        self.tensors: list[torch.Tensor] = []  # in the order in which they were encoded
        self.generators: list[torch.Generator] = []
        self.keep = keep

    def encode(self, value):
        """`value` as JSON."""
        collected = (self.buffers, self.tensors, self.generators)
        lengths = [len(things) for things in collected]
        self._count = 0
        try:
            return self._encode(value, 0)
        except _TooManyValuesError:
            for things, length in zip(collected, lengths, strict=True):
                del things[length:]
            return self._opaque(value)

    def _encode(self, value, depth):
        self._count += 1
        if self._count > MOST_VALUES:
            raise _TooManyValuesError
        if depth > DEEPEST:
            return {"opaque": type(value).__name__, "text": "nested too deeply"}
        if value is None or isinstance(value, bool):
            return value
        if type(value) is int or type(value) is str:
            return value if type(value) is str or abs(value) < LONGEST_INTEGER else self._opaque(value)
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        number = self.keep(value)
        if number is not None:
            return {"object": number}
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, torch.Generator):
            self.generators.append(value)
            return {"generator": self._buffer(value.get_state().numpy().tobytes())}
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value)
        if type(value) is tuple or isinstance(value, torch.Size):
            return {"tuple": [self._encode(item, depth + 1) for item in value]}
        if type(value) is list:
            return [self._encode(item, depth + 1) for item in value]
        if type(value) is dict and all(map(_is_key, value)):
            pairs = value.items()
            return {"dict": [[self._encode(key, depth + 1), self._encode(item, depth + 1)] for key, item in pairs]}
        return self._opaque(value)

    def _buffer(self, data):
        self.buffers.append(data)
        return len(self.buffers) - 1

    def _tensor(self, tensor):
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in DTYPES or tensor.layout != torch.strided or tensor.is_meta or tensor.ndim > MOST_AXES:
            return self._opaque(tensor)
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            plain = tensor.detach().as_subclass(torch.Tensor).to("cpu").contiguous()
            plain = plain.resolve_conj().resolve_neg()
            data = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
        self.tensors.append(tensor)
        return {
            "tensor": self._buffer(data),
            "dtype": dtype,
            "shape": list(tensor.shape),
            "requires_grad": tensor.requires_grad,
            "leaf": tensor.is_leaf,
        }

    def _array(self, array):
        dtype = array.dtype.newbyteorder("<")
        if dtype.str not in ARRAY_DTYPES or array.ndim > MOST_AXES:
            return self._opaque(array)
        encoded = {
            "array": self._buffer(np.asarray(array).astype(dtype).tobytes()),
            "dtype": dtype.str,
            "shape": list(array.shape),
        }
        return {**encoded, "scalar": True} if isinstance(array, np.generic) else encoded

    def _opaque(self, value):
        try:
            text = repr(value)[:200]
        except Exception:
            text = ""
        return {"opaque": type(value).__name__[:100], "text": text}


class Decoder:
    """Turns what `Encoder` made back into values. `look_up` gives the object of a handle's number.

    Raises WireError for anything else.
    """

    def __init__(self, buffers, look_up=Handle):
        self.buffers, self.look_up = buffers, look_up
        self.tensors: list[torch.Tensor] = []  # in the order in which they were decoded
        self.generators: list[torch.Generator] = []

    def decode(self, value):
        """The value that this JSON stands for."""
        self._count = 0
        return self._decode(value, 0)

    def _decode(self, value, depth):
        self._count += 1
        if depth > 2 * DEEPEST or self._count > MOST_VALUES:
            raise WireError("a value is too deep or too large")
        if isinstance(value, int) and not -LONGEST_INTEGER < value < LONGEST_INTEGER:
            raise WireError("an integer is too large")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list):
            return [self._decode(item, depth + 1) for item in value]
        match value:
            case {"tensor": int(index), "dtype": str(dtype), "shape": list(shape)} if dtype in DTYPES:
                return self._tensor(index, DTYPES[dtype], shape, value)
            case {"array": int(index), "dtype": str(dtype), "shape": list(shape)}:
                return self._array(index, dtype, shape, value)
            case {"generator": int(index)}:
                return self._generator(index)
            case {"tuple": list(items)}:
                return tuple(self._decode(item, depth + 1) for item in items)
            case {"dict": list(pairs)} if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
                decoded = [(self._decode(key, depth + 1), self._decode(item, depth + 1)) for key, item in pairs]
                if not all(_is_key(key) for key, _ in decoded):
                    raise WireError("a dictionary with odd keys")
                return dict(decoded)
            case {"float": "nan" | "inf" | "-inf" as text}:
                return float(text)
            case {"object": int(number)}:
                return self.look_up(number)
            case {"opaque": str(name), "text": str(text)}:
                return opaque(name, text)
        raise WireError("a value of unknown kind")

    def _bytes(self, index, shape, itemsize):
        """The bytes for a shape. The buffer has to be there, so that no shape makes us reserve memory."""
        # Empty axes count as one, since torch and NumPy refuse large ones beside them.
        if len(shape) > MOST_AXES or not all(map(_is_count, shape)) or not _is_count(math.prod(n or 1 for n in shape)):
            raise WireError("a tensor or an array has no such shape")
        if not 0 <= index < len(self.buffers) or len(self.buffers[index]) != math.prod(shape) * itemsize:
            raise WireError("the bytes of a tensor or an array do not fit its shape")
        return bytearray(self.buffers[index])

    def _tensor(self, index, dtype, shape, value):
        data = self._bytes(index, shape, dtype.itemsize)
        if not data:
            tensor = torch.empty(shape, dtype=dtype)
        elif dtype is torch.bool:
            tensor = torch.frombuffer(data, dtype=torch.uint8).ne(0).reshape(shape)  # other bytes are no bool
        else:
            tensor = torch.frombuffer(data, dtype=torch.uint8).view(dtype).reshape(shape)
        if value.get("requires_grad") is True and (dtype.is_floating_point or dtype.is_complex):
            tensor.requires_grad_()
        self.tensors.append(tensor)
        return tensor

    def _array(self, index, dtype, shape, value):
        if dtype not in ARRAY_DTYPES:
            raise WireError("an array has no such type")
        dtype = np.dtype(dtype)
        data = self._bytes(index, shape, dtype.itemsize)
        array = np.frombuffer(data, np.uint8) != 0 if dtype == np.bool_ else np.frombuffer(data, dtype)
        return array.reshape(shape)[()] if value.get("scalar") is True else array.reshape(shape)

    def _generator(self, index):
        if not 0 <= index < len(self.buffers):
            raise WireError("a generator without a state")
        generator = torch.Generator()
        try:
            generator.set_state(torch.frombuffer(bytearray(self.buffers[index]), dtype=torch.uint8))
        except (RuntimeError, TypeError, ValueError) as error:
            raise WireError("no state of a generator") from error
        self.generators.append(generator)
        return generator


def _is_key(value) -> bool:
    """Whether a dictionary may have this key; of tuples, many can be made that share one hash, which takes for ever."""
    return value is None or type(value) in (bool, int, float, str)


def _is_count(value) -> bool:
    return type(value) is int and 0 <= value < 2**48
