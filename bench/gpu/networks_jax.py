"""LeNet-5 and the VGG of fovea's model zoo in JAX, timed on a GPU.

    python3 networks_jax.py [SECONDS]

Writes lines of system, name, unit and value, with tabs between. A hundred training steps are one lax.scan over eight batches
that lie on the device: JAX pays neither for launches nor for copies from the host. float32 at the highest precision, which means no TF32.
"""

import statistics
import sys
import time

import jax
import jax.numpy as jnp
from jax import lax

CLASSES = 10
STEPS, BATCHES = 100, 8

# A layer is (kind, outputs, kernel, padding); all images are NHWC, all filters HWIO.
LENET5 = [("conv", 6, 5, "SAME"), ("pool",), ("conv", 16, 5, "VALID"), ("pool",), ("flatten",),
          ("dense", 120), ("dense", 84), ("dense", CLASSES)]
VGG = [("conv", 32, 3, "SAME"), ("conv", 32, 3, "SAME"), ("pool",), ("conv", 64, 3, "SAME"), ("conv", 64, 3, "SAME"), ("pool",),
       ("conv", 128, 3, "SAME"), ("flatten",), ("dense", CLASSES)]
NETWORKS = [("lenet5", LENET5, (28, 28, 1)), ("vgg", VGG, (32, 32, 3))]


def initial(layers, image, key):
    """Weights and biases of the layers that have some."""
    parameters, (h, w, c) = [], image
    units = None
    for layer in layers:
        if layer[0] == "pool":
            h, w = h // 2, w // 2
            continue
        if layer[0] == "flatten":
            units = h * w * c
            continue
        key, own = jax.random.split(key)
        if layer[0] == "conv":
            _, outputs, kernel, padding = layer
            shape, fan_in = (kernel, kernel, c, outputs), kernel * kernel * c
            c = outputs
            if padding == "VALID":
                h, w = h - kernel + 1, w - kernel + 1
        else:
            outputs = layer[1]
            shape, fan_in = (units, outputs), units
            units = outputs
        parameters.append((jax.random.normal(own, shape) * (2 / fan_in) ** 0.5, jnp.zeros(outputs)))
    return parameters


def logits(layers, parameters, x):
    rest = iter(parameters)
    for i, layer in enumerate(layers):
        if layer[0] == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif layer[0] == "flatten":
            x = x.reshape(x.shape[0], -1)
        else:
            w, b = next(rest)
            if layer[0] == "conv":
                x = lax.conv_general_dilated(x, w, (1, 1), layer[3], dimension_numbers=("NHWC", "HWIO", "NHWC")) + b
            else:
                x = x @ w + b
            if i < len(layers) - 1:
                x = jax.nn.relu(x)
    return x


def trainer(layers):
    """Returns a function that makes STEPS steps of Adam."""
    def loss(parameters, images, labels):
        scores = jax.nn.log_softmax(logits(layers, parameters, images))
        return -jnp.take_along_axis(scores, labels[:, None], 1).mean()

    def run(state, images, labels):
        def step(state, i):
            parameters, m, v, t = state
            batch = i % BATCHES
            value, gradient = jax.value_and_grad(loss)(parameters, images[batch], labels[batch])
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
            rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), parameters, m, v)
            return (parameters, m, v, t), value

        return lax.scan(step, state, jnp.arange(STEPS))

    return jax.jit(run, donate_argnums=0)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    jax.config.update("jax_default_matmul_precision", "highest")
    for name, layers, image in NETWORKS:
        for batch in (64, 128):
            key = jax.random.key(1)
            parameters = initial(layers, image, key)
            zeros = jax.tree.map(jnp.zeros_like, parameters)
            state = (parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.float32(0))
            images = jax.random.normal(key, (BATCHES, batch, *image))
            labels = jax.random.randint(key, (BATCHES, batch), 0, CLASSES)
            run = trainer(layers)
            state, losses = run(state, images, labels)  # compiles
            losses.block_until_ready()
            rates, end = [], time.perf_counter() + seconds
            while len(rates) < 5 or time.perf_counter() < end:
                start = time.perf_counter()
                state, losses = run(state, images, labels)
                losses.block_until_ready()
                rates.append(STEPS * batch / (time.perf_counter() - start))
            print(f"jax-scan\tResident/{name}/{batch}\timages/s\t{statistics.median(rates):.6g}", flush=True)


if __name__ == "__main__":
    main()
