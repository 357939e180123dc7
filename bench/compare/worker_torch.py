"""LeNet-5, the VGG, single convolutions and matrix products in PyTorch on the CPU. worker.py says how it is asked.

The networks are those of bench/gpu/networks_torch.py. A training step is forward pass, softmax cross-entropy, backward pass and Adam,
on a batch that lies in memory; a prediction ends with probabilities. Works with PyTorch 1.13 and later.
"""

import os
import sys

import torch
from torch import nn

import worker

sys.path.append(str(worker.FOLDER.parent / "gpu"))
import networks_torch  # noqa: E402  beside the GPU's scripts

NEW = int(torch.__version__.split(".")[0]) >= 2
FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
NETWORKS = {name: build for name, build, _ in networks_torch.NETWORKS}


def network(name, layout):
    """In NCHW the images are flattened as they lie, which saves a copy; the weights of the dense layer are random anyway."""
    torch.manual_seed(1)
    model = NETWORKS[name]()
    if layout == "nchw":
        for i, layer in enumerate(model):
            if isinstance(layer, networks_torch.FlattenNHWC):
                model[i] = nn.Flatten()
    return model.to(memory_format=FORMATS[layout])


def batch_of(name, batch, layout):
    return torch.randn(batch, *worker.IMAGES[name]).contiguous(memory_format=FORMATS[layout])


def training(name, batch):
    def prepare(layout, optimizer, way):
        model, images = network(name, layout), batch_of(name, batch, layout)
        labels = torch.randint(worker.CLASSES, (batch,))
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, **{"single": {"foreach": False}}.get(optimizer, {optimizer: True}))

        forward = torch.jit.trace(model, images) if way == "traced" else model

        def objective(x, y):
            return nn.functional.cross_entropy(forward(x), y)

        if way == "compiled":
            objective = torch.compile(objective)

        def step():
            adam.zero_grad(set_to_none=True)
            objective(images, labels).backward()
            adam.step()

        return step

    optimizers = ["fused"] * NEW + ["foreach", "single"]
    kinds = [(layout, optimizer, "eager") for optimizer in optimizers for layout in FORMATS]
    kinds += [(layout, optimizers[0], way) for way in ["traced"] + ["compiled"] * NEW for layout in FORMATS]
    return {" ".join(kind): lambda kind=kind: prepare(*kind) for kind in kinds}


def inference(name, batch):
    def prepare(layout, way):
        model, images = nn.Sequential(network(name, layout), nn.Softmax(1)).eval(), batch_of(name, batch, layout)
        with torch.no_grad():
            if way == "frozen":
                model = torch.jit.optimize_for_inference(torch.jit.trace(model, images))
            elif way == "compiled":
                model = torch.compile(model, options={"freezing": True})

        @torch.inference_mode()
        def step():
            model(images)

        @torch.no_grad()
        def compiled():
            model(images)

        return compiled if way == "compiled" else step

    ways = ["eager", "frozen"] + ["compiled"] * NEW
    return {f"{layout} {way}": lambda kind=(layout, way): prepare(*kind) for way in ways for layout in FORMATS}


def convolution(name, direction):
    """Forward with bias; the gradients as autograd computes them, that of the filters together with that of the bias."""
    layer = worker.layers()[name]
    stride, padding = [layer["stride"]] * 2, [layer["padding"]] * 2

    def prepare(layout):
        x = torch.randn(layer["batch"], layer["in"], layer["size"], layer["size"]).contiguous(memory_format=FORMATS[layout])
        w = torch.randn(layer["out"], layer["in"], layer["kernel"], layer["kernel"]).contiguous(memory_format=FORMATS[layout])
        bias = torch.randn(layer["out"])
        y = torch.conv2d(x, w, bias, stride, padding)
        dy = torch.randn_like(y)

        def forward():
            torch.conv2d(x, w, bias, stride, padding)

        def gradient():
            torch.ops.aten.convolution_backward(dy, x, w, [layer["out"]], stride, padding, [1, 1], False, [0, 0], 1, mask)

        mask = [True, False, False] if direction == "input-gradient" else [False, True, True]
        return torch.inference_mode()(forward if direction == "forward" else gradient)

    def prepare_blocked():
        """oneDNN's own layout of images, the filters reordered before."""
        x = torch.randn(layer["batch"], layer["in"], layer["size"], layer["size"]).to_mkldnn()
        w = torch.randn(layer["out"], layer["in"], layer["kernel"], layer["kernel"]).to_mkldnn()
        w = torch._C._nn.mkldnn_reorder_conv2d_weight(w, padding, stride, [1, 1], 1)
        bias = torch.randn(layer["out"]).to_mkldnn()
        return torch.no_grad()(lambda: torch.conv2d(x, w, bias, stride, padding))

    ways = {layout: lambda layout=layout: prepare(layout) for layout in FORMATS}
    return ways | {"blocked": prepare_blocked} if direction == "forward" else ways


def product(task):
    m, n, k, transpose_a, transpose_b = worker.product(task)

    def operand(rows, columns, transposed):
        return torch.randn(columns, rows).t() if transposed else torch.randn(rows, columns)

    def prepare():
        a, b, c = operand(m, k, transpose_a), operand(k, n, transpose_b), torch.empty(m, n)
        return torch.inference_mode()(lambda: torch.mm(a, b, out=c))

    def prepare_onednn():
        a, w = operand(m, k, transpose_a).contiguous(), operand(k, n, transpose_b).t().contiguous()
        return torch.no_grad()(lambda: torch.ops.mkldnn._linear_pointwise(a, w, None, "none", [], ""))

    return {"mm": prepare} | ({"onednn": prepare_onednn} if NEW else {})


def settings_of(task):
    kind, name, rest = task.split("/")
    if kind == "Training":
        return training(name, int(rest))
    if kind == "Inference":
        return inference(name, int(rest))
    if kind == "Conv2D":
        return convolution(name, rest)
    return product(task)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_flush_denormal(True)  # a network that learns one batch for long ends with tiny gradients
    worker.serve(settings_of)
