"""Writes the networks and single convolutions that ONNX Runtime is measured with.

    export_onnx.py FOLDER
"""

import pathlib
import sys
import warnings

import torch
from torch import nn

import worker
import worker_torch


def export(model, images, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter writes plain graphs of plain operators; that it is the older one does not matter
        torch.onnx.export(model.eval(), (images,), str(path), input_names=["x"], output_names=["y"], dynamo=False)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in worker.IMAGES:
        for batch in (64, 1):
            model = nn.Sequential(worker_torch.network(name, "nchw"), nn.Softmax(1))
            export(model, worker_torch.batch_of(name, batch, "nchw"), folder / f"Inference-{name}-{batch}.onnx")
    for name, layer in worker.layers().items():
        model = nn.Conv2d(layer["in"], layer["out"], layer["kernel"], layer["stride"], layer["padding"])
        export(model, torch.randn(layer["batch"], layer["in"], layer["size"], layer["size"]), folder / f"Conv2D-{name}-forward.onnx")


if __name__ == "__main__":
    main()
