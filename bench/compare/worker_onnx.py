"""LeNet-5, the VGG and single convolutions in ONNX Runtime on the CPU. worker.py says how it is asked.

    worker_onnx.py                writes no model: the folder MODELS in the environment must have them
    export_onnx.py FOLDER         writes them

A prediction reads a batch that lies in memory and ends with probabilities.
"""

import os
import pathlib

import numpy as np
import onnxruntime

import worker

THREADS = int(os.environ["OMP_NUM_THREADS"])


def settings_of(task):
    path = pathlib.Path(os.environ["MODELS"]) / (task.replace("/", "-") + ".onnx")

    def prepare(threads, bound):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        images = np.random.default_rng(1).standard_normal(session.get_inputs()[0].shape, np.float32)
        if not bound:
            return lambda: session.run(None, {"x": images})
        shape = session.get_outputs()[0].shape
        y = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty(shape, np.float32))
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(images))
        binding.bind_ortvalue_output("y", y)
        return lambda: session.run_with_iobinding(binding)

    threads = [THREADS] if THREADS == 1 or not task.endswith("/1") else [THREADS, 1]
    return {f"{'bound' if bound else 'run'}{' one thread' if n != THREADS else ''}": lambda kind=(n, bound): prepare(*kind)
            for n in threads for bound in (True, False)}


if __name__ == "__main__":
    worker.serve(settings_of)
