#!/usr/bin/python3
"""Records the training curves of PyTorch that fovea's training is tested against.

Two networks (LeNet-5, a small VGG) are trained for 50 steps with two optimizers (SGD with
momentum, Adam), each once in float64 and once in float32. Initial parameters, images and
labels come from a counter-based generator, so that another implementation can make the very
same ones without reading them from a file. README.md beside this script has the definitions.

    /usr/bin/python3 bench/compare/curves/generate.py [OUTPUT_FOLDER]
"""

import json
import math
import pathlib
import platform
import sys

import numpy as np
import torch
from torch import nn

STEPS = 50
BATCHES = 5  # step t trains on batch t mod BATCHES
CLASSES = 10
PARAMETER_SEED, IMAGE_SEED, LABEL_SEED = 7, 11, 13
FIRST = 8  # how many values of each array are recorded as a check

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


# Random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
# easy as 1, 2, 3" (SC 2011).

MASK32 = np.uint64(0xFFFFFFFF)
SHIFT32 = np.uint64(32)


def philox4x32(counter, key):
    """Ten rounds of Philox. counter: four uint64 arrays holding 32-bit words; key: two ints."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c0  # 32 × 32 bits: no overflow in 64
        product1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (
            (product1 >> SHIFT32) ^ c1 ^ np.uint64(k0),
            product1 & MASK32,
            (product0 >> SHIFT32) ^ c3 ^ np.uint64(k1),
            product0 & MASK32,
        )
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def check_philox():
    """Compares philox4x32 with the known answers published with Random123 (kat_vectors)."""
    known = [
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ]
    for counter, key, want in known:
        words = [np.array([int(word, 16)], dtype=np.uint64) for word in counter.split()]
        got = philox4x32(words, [int(word, 16) for word in key.split()])
        got = " ".join(f"{int(word[0]):08x}" for word in got)
        if got != want:
            sys.exit(f"philox4x32({counter}; {key}) = {got}, want {want}")


def uniform(seed, stream, count):
    """Elements 0 … count−1 of a stream at step 0, float64 multiples of 2⁻²⁴ in [0, 1)."""
    block = np.arange((count + 3) // 4, dtype=np.uint64)
    counter = (block & MASK32, block >> SHIFT32,
               np.full_like(block, stream), np.zeros_like(block))
    words = np.stack(philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32)), axis=1)
    return (words.reshape(-1)[:count] >> np.uint64(8)).astype(np.float64) * 2.0**-24


# Networks. Images arrive as NCHW, as PyTorch wants them, and are flattened in NHWC order.


class FlattenNHWC(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        FlattenNHWC(),
        nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, CLASSES),
    )


def vgg():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(),
        FlattenNHWC(),
        nn.Linear(8 * 8 * 128, CLASSES),
    )


MODELS = {
    "lenet5": {"build": lenet5, "parameters": 61706, "batch": 16, "image": (28, 28, 1)},
    "vgg": {"build": vgg, "parameters": 221354, "batch": 4, "image": (32, 32, 3)},
}

# The VGG has no normalisation and only four images a batch; at LeNet-5's rates its losses rise
# before they fall.
OPTIMIZERS = {
    ("lenet5", "sgd"): {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    ("lenet5", "adam"): {"name": "adam", "learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    ("vgg", "sgd"): {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9},
    ("vgg", "adam"): {"name": "adam", "learning_rate": 2e-4, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}


def optimizer_for(settings, parameters):
    if settings["name"] == "sgd":
        return torch.optim.SGD(parameters, lr=settings["learning_rate"], momentum=settings["momentum"])
    return torch.optim.Adam(parameters, lr=settings["learning_rate"],
                            betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"])


# Initial values and data, all float32 in fovea's layouts: filters OHWI, dense weights [out, in],
# images NHWC.


def initial_parameters(model):
    """One dict a parameter, in model order: name, bound and the float32 values."""
    result = []
    layers = [layer for layer in model if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        # Both weight and bias of a layer are bounded by the weight's fan-in, as PyTorch does.
        bound = 1.0 / math.sqrt(layer.weight[0].numel())
        for kind, parameter in (("weight", layer.weight), ("bias", layer.bias)):
            shape = tuple(parameter.shape)
            if len(shape) == 4:
                shape = (shape[0], shape[2], shape[3], shape[1])
            u = uniform(PARAMETER_SEED, len(result), parameter.numel())
            values = ((2.0 * u - 1.0) * bound).astype(np.float32).reshape(shape)
            layer_kind = "conv" if isinstance(layer, nn.Conv2d) else "dense"
            number = 1 + sum(isinstance(other, type(layer)) for other in layers[:layers.index(layer)])
            result.append({"name": f"{layer_kind}{number}.{kind}", "bound": bound, "values": values})
    return result


def load_parameters(model, initial):
    with torch.no_grad():
        for parameter, start in zip(model.parameters(), initial, strict=True):
            values = start["values"]
            if values.ndim == 4:
                values = values.transpose(0, 3, 1, 2)
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def image_batch(stream, batch, image):
    u = uniform(IMAGE_SEED, stream, batch * math.prod(image))
    return (2.0 * u - 1.0).astype(np.float32).reshape((batch, *image))


def label_batch(stream, batch):
    return np.floor(uniform(LABEL_SEED, stream, batch) * CLASSES).astype(np.int64)


# Training.


def train(spec, settings, dtype, perturbation=0.0, memory_format=torch.contiguous_format):
    """Losses before each update, and the norm of every parameter's first gradient.

    perturbation: relative random change of the initial parameters, to see what rounding does.
    """
    model = spec["build"]().to(dtype)
    load_parameters(model, initial_parameters(model))
    if perturbation:
        noise = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter *= 1 + perturbation * (2 * torch.rand(parameter.shape, generator=noise, dtype=dtype) - 1)
    model = model.to(memory_format=memory_format)
    images = [torch.from_numpy(image_batch(b, spec["batch"], spec["image"])).to(dtype)
              .permute(0, 3, 1, 2).contiguous(memory_format=memory_format) for b in range(BATCHES)]
    labels = [torch.from_numpy(label_batch(b, spec["batch"])) for b in range(BATCHES)]
    optimizer = optimizer_for(settings, model.parameters())
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[step % BATCHES]), labels[step % BATCHES])
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            norms = [parameter.grad.norm().item() for parameter in model.parameters()]
        optimizer.step()
    return losses, norms


def departure(losses, reference):
    return max(abs(loss - other) for loss, other in zip(losses, reference, strict=True))


def curve(model_name, optimizer_name):
    spec = MODELS[model_name]
    settings = OPTIMIZERS[model_name, optimizer_name]
    initial = initial_parameters(spec["build"]())
    count = sum(start["values"].size for start in initial)
    if count != spec["parameters"]:
        sys.exit(f"{model_name} has {count} parameters, want {spec['parameters']}")

    losses64, norms = train(spec, settings, torch.float64)
    losses32, _ = train(spec, settings, torch.float32)
    # PyTorch's other ways to compute the same in float32, which differ in the order of sums only.
    departures = {"default": departure(losses32, losses64)}
    with torch.backends.mkldnn.flags(enabled=False):
        departures["without_onednn"] = departure(train(spec, settings, torch.float32)[0], losses64)
    channels_last, _ = train(spec, settings, torch.float32, memory_format=torch.channels_last)
    departures["channels_last"] = departure(channels_last, losses64)
    # How far rounding moves the float64 losses: what a tolerance must leave room for. 2⁻⁵⁰ is eight
    # times the spacing of float64, about what the order of a long sum makes of it.
    rounding = departure(train(spec, settings, torch.float64, perturbation=2.0**-50)[0], losses64)

    def mean(losses):
        return sum(losses) / len(losses)

    print(f"{model_name:7} {optimizer_name:5} mean loss of the first {BATCHES} steps {mean(losses64[:BATCHES]):.4f}, "
          f"of the last {mean(losses64[-BATCHES:]):.4f}, highest {max(losses64):.4f}; "
          f"float64 departs by {rounding:.1e} when parameters start 2⁻⁵⁰ off; float32 by "
          + ", ".join(f"{value:.1e} ({name})" for name, value in departures.items()))

    return {
        "model": model_name,
        "parameter_count": count,
        "batch": spec["batch"],
        "image": list(spec["image"]),
        "classes": CLASSES,
        "steps": STEPS,
        "batches": BATCHES,
        "optimizer": settings,
        "seeds": {"parameters": PARAMETER_SEED, "images": IMAGE_SEED, "labels": LABEL_SEED},
        "made_with": f"PyTorch {torch.__version__}, NumPy {np.__version__}, {platform.machine()}",
        "parameters": [{
            "name": start["name"],
            "shape": list(start["values"].shape),
            "bound": start["bound"],
            "first": [float(value) for value in start["values"].reshape(-1)[:FIRST]],
            "gradient_norm": norm,
        } for start, norm in zip(initial, norms, strict=True)],
        "images_first": [[float(value) for value in image_batch(b, spec["batch"], spec["image"]).reshape(-1)[:FIRST]]
                         for b in range(BATCHES)],
        "labels": [label_batch(b, spec["batch"]).tolist() for b in range(BATCHES)],
        "losses_float64": losses64,
        "losses_float32": losses32,
        "float32_departures": departures,
    }


def to_json(record):
    """Indented, one key a line, with arrays of numbers on one line."""
    def lines(value, indent):
        if isinstance(value, dict):
            inner = ",\n".join(f"{indent}  {json.dumps(key)}: {lines(item, indent + '  ')}" for key, item in value.items())
            return "{\n" + inner + "\n" + indent + "}"
        if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
            return "[\n" + ",\n".join(f"{indent}  {lines(item, indent + '  ')}" for item in value) + "\n" + indent + "]"
        return json.dumps(value, allow_nan=False)  # floats as the shortest text that reads back exactly
    return lines(record, "") + "\n"


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    check_philox()
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "train" / "testdata" / "curves"
    folder.mkdir(parents=True, exist_ok=True)
    for model_name, optimizer_name in OPTIMIZERS:
        path = folder / f"{model_name}-{optimizer_name}.json"
        path.write_text(to_json(curve(model_name, optimizer_name)), encoding="utf-8")


if __name__ == "__main__":
    main()
