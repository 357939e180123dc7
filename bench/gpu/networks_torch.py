"""LeNet-5 and the VGG of fovea's model zoo in PyTorch, timed on a GPU.

    python3 networks_torch.py {eager|compile} [SECONDS]

Writes a line for each network, batch and task to standard output: system, name, unit, value, with tabs between.
What is timed is what fovea's benchmarks time: a training step takes a batch from the host (pinned here), then forward pass,
softmax cross-entropy, backward pass and Adam. Where the data is resident, one batch stays on the device and nothing is gathered.
A prediction ends with the probabilities on the host. float32 without TF32.
"""

import statistics
import sys
import time

import torch
from torch import nn

CLASSES = 10


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
    def conv(inputs, filters):
        return [nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU()]

    return nn.Sequential(
        *conv(3, 32), *conv(32, 32), nn.MaxPool2d(2),
        *conv(32, 64), *conv(64, 64), nn.MaxPool2d(2),
        *conv(64, 128), FlattenNHWC(),
        nn.Linear(8 * 8 * 128, CLASSES),
    )


NETWORKS = [("lenet5", lenet5, (1, 28, 28)), ("vgg", vgg, (3, 32, 32))]
TASKS = [("Training", 64), ("Training", 128), ("Resident", 64), ("Resident", 128), ("Inference", 64), ("Inference", 1)]


def rate(step, seconds):
    """Steps a second: the median of five rounds that last about `seconds` together."""
    for _ in range(20):  # compilation, algorithm choice, graph capture
        step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        step()
    torch.cuda.synchronize()
    steps = max(10, int(20 * seconds / 5 / (time.perf_counter() - start)))
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
        rates.append(steps / (time.perf_counter() - start))
    return statistics.median(rates)


def training(model, images, labels, compiled, resident):
    device_images = images.to("cuda")
    device_labels = labels.to("cuda")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, capturable=compiled)

    def objective(x, y):
        return nn.functional.cross_entropy(model(x), y)

    update = optimizer.step
    if compiled:
        # Forward and backward pass become CUDA graphs, the optimizer one of its own. Gradients keep their place: what a graph returns
        # is overwritten by its next run.
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        objective = torch.compile(objective, mode="reduce-overhead")
        update = torch.compile(optimizer.step, mode="reduce-overhead")

    def work():
        if compiled:
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad(set_to_none=not compiled)
        objective(device_images, device_labels).backward()
        update()

    def step():
        device_images.copy_(images, non_blocking=True)
        device_labels.copy_(labels, non_blocking=True)
        work()

    return work if resident else step


def inference(model, images, compiled):
    device_images = torch.empty_like(images, device="cuda")

    def work():
        return torch.softmax(model(device_images), 1)

    run = torch.compile(work, mode="reduce-overhead") if compiled else work

    @torch.no_grad()
    def step():
        device_images.copy_(images, non_blocking=True)
        run().cpu()

    return step


def main():
    system, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    compiled = system == "compile"
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    failures = 0
    for name, build, image in NETWORKS:
        for layout in ("channels_first", "channels_last"):
            memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
            for task, batch in TASKS:
                torch.manual_seed(1)
                torch.compiler.reset()
                model = build().cuda().to(memory_format=memory_format)
                images = torch.randn(batch, *image).contiguous(memory_format=memory_format).pin_memory()
                labels = torch.randint(CLASSES, (batch,)).pin_memory()
                try:
                    if task == "Inference":
                        step = inference(model.eval(), images, compiled)
                    else:
                        step = training(model, images, labels, compiled, resident=task == "Resident")
                    value = batch * rate(step, seconds)
                except Exception as error:  # one configuration that does not compile does not end the others
                    print(f"{task}/{name}/{batch} {layout}: {error}", file=sys.stderr)
                    failures += 1
                    continue
                print(f"pytorch-{system}-{layout.removeprefix('channels_')}\t{task}/{name}/{batch}\timages/s\t{value:.6g}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
