"""Matrix products in NumPy, which brings OpenBLAS. worker.py says how it is asked."""

import numpy as np

import worker


def settings_of(task):
    m, n, k, transpose_a, transpose_b = worker.product(task)
    random = np.random.default_rng(1)

    def operand(rows, columns, transposed):
        return random.standard_normal((columns, rows), np.float32).T if transposed else random.standard_normal((rows, columns), np.float32)

    def prepare():
        a, b, c = operand(m, k, transpose_a), operand(k, n, transpose_b), np.empty((m, n), np.float32)
        return lambda: np.matmul(a, b, out=c)

    return {"matmul": prepare}


if __name__ == "__main__":
    worker.serve(settings_of)
