"""From a PyTorch module to a small ONNX file, and back to its weights."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from course_utils.files import replacing, write_text
from publish.live import MODELS

SUMS = MODELS / "SHA256SUMS"


def export(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], name: str) -> Path:
    """Write what `module(**inputs)` computes to models/NAME.onnx and note its checksum. Shapes stay as they are."""
    program = torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=outputs,
        dynamo=True,
        optimize=False,  # it would melt batch norm into the weights before it, and their names away
        verbose=False,
    )
    model = program.model_proto
    for part in (*model.graph.node, model):  # where in the exporter's sources it came from is of no use
        del part.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    target = MODELS / f"{name}.onnx"
    with replacing(target) as temporary:
        Path(temporary).write_bytes(model.SerializeToString())
    _note_checksum(target)
    return target


def write_data(values: object, name: str) -> Path:
    """Write what a figure needs beside its graphs to models/NAME.json and note its checksum."""
    target = MODELS / f"{name}.json"
    write_text(json.dumps(values, separators=(",", ":")) + "\n", target)
    _note_checksum(target)
    return target


def read_data(name: str) -> object:
    return json.loads((MODELS / f"{name}.json").read_text())


def _note_checksum(target: Path) -> None:
    sums = dict(reversed(line.split("  ")) for line in SUMS.read_text().splitlines()) if SUMS.exists() else {}
    sums[target.name] = hashlib.sha256(target.read_bytes()).hexdigest()
    write_text("".join(f"{digest}  {file}\n" for file, digest in sorted(sums.items())), SUMS)


def weights(name: str) -> dict[str, Tensor]:
    """The parameters and buffers in models/NAME.onnx, by PyTorch's names."""
    graph = onnx.load(MODELS / f"{name}.onnx").graph
    return {tensor.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor))) for tensor in graph.initializer}
