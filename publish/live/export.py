"""From a PyTorch module to a small ONNX file, and back to its weights."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from course_utils.files import replacing, write_text
from publish.live import MODELS

SUMS = MODELS / "SHA256SUMS"


def export(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], name: str) -> Path:
    """Write what `module(**inputs)` computes to models/NAME.onnx and note its checksum. The first axis may vary."""
    program = torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=outputs,
        dynamo=True,
        optimize=True,
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
    sums = dict(reversed(line.split("  ")) for line in SUMS.read_text().splitlines()) if SUMS.exists() else {}
    sums[target.name] = hashlib.sha256(target.read_bytes()).hexdigest()
    write_text("".join(f"{digest}  {file}\n" for file, digest in sorted(sums.items())), SUMS)
    return target


def weights(name: str) -> dict[str, Tensor]:
    """The parameters and buffers in models/NAME.onnx, by PyTorch's names."""
    graph = onnx.load(MODELS / f"{name}.onnx").graph
    return {tensor.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor))) for tensor in graph.initializer}
