//go:build cuda && linux && (amd64 || arm64)

#include "shims.h"

// WITH returns what call answers with ctx current, or why ctx could not be made current.
#define WITH(ctx, call)                    \
  do {                                     \
    CUresult result = cuCtxSetCurrent(ctx); \
    if (result != CUDA_SUCCESS) {          \
      return result;                       \
    }                                      \
    return call;                           \
  } while (0)

CUresult fovea_ctx_synchronize(CUcontext ctx) { WITH(ctx, cuCtxSynchronize()); }

CUresult fovea_host_allocate(CUcontext ctx, size_t bytes, void **memory) {
  WITH(ctx, cuMemHostAlloc(memory, bytes, CU_MEMHOSTALLOC_PORTABLE));
}

CUresult fovea_host_free(CUcontext ctx, void *memory) { WITH(ctx, cuMemFreeHost(memory)); }

CUresult fovea_module_log(CUcontext ctx, const char *image, char *log, size_t size) {
  CUresult result = cuCtxSetCurrent(ctx);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)(size - 1)}; // the last byte stays 0
  CUmodule module;
  result = cuModuleLoadDataEx(&module, image, 2, options, values);
  if (result == CUDA_SUCCESS) {
    cuModuleUnload(module);
  }
  return result;
}

CUresult fovea_function_set(CUcontext ctx, CUfunction f, CUfunction_attribute attribute, int value) {
  WITH(ctx, cuFuncSetAttribute(f, attribute, value));
}

CUresult fovea_launch(CUcontext ctx, CUfunction f, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                      unsigned blockY, unsigned blockZ, unsigned shared, CUstream stream, const void *args, size_t size) {
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)args, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
  WITH(ctx, cuLaunchKernel(f, gridX, gridY, gridZ, blockX, blockY, blockZ, shared, stream, NULL, size ? extra : NULL));
}

CUresult fovea_stream_synchronize(CUcontext ctx, CUstream stream) { WITH(ctx, cuStreamSynchronize(stream)); }

CUresult fovea_stream_query(CUcontext ctx, CUstream stream) { WITH(ctx, cuStreamQuery(stream)); }

CUresult fovea_stream_wait(CUcontext ctx, CUstream stream, CUevent event) {
  WITH(ctx, cuStreamWaitEvent(stream, event, 0));
}

CUresult fovea_to_device(CUcontext ctx, CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  WITH(ctx, cuMemcpyHtoDAsync(to, from, bytes, stream));
}

CUresult fovea_to_host(CUcontext ctx, void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  WITH(ctx, cuMemcpyDtoHAsync(to, from, bytes, stream));
}

CUresult fovea_copy(CUcontext ctx, CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  WITH(ctx, cuMemcpyDtoDAsync(to, from, bytes, stream));
}

CUresult fovea_fill(CUcontext ctx, CUdeviceptr to, unsigned pattern, size_t words, CUstream stream) {
  WITH(ctx, cuMemsetD32Async(to, pattern, words, stream));
}

// finish waits for a copy that was queued, also where queueing failed: the memory is the caller's.
static CUresult finish(CUresult queued, CUstream stream) {
  CUresult result = cuStreamSynchronize(stream);
  return queued != CUDA_SUCCESS ? queued : result;
}

CUresult fovea_upload(CUcontext ctx, CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  WITH(ctx, finish(cuMemcpyHtoDAsync(to, from, bytes, stream), stream));
}

CUresult fovea_download(CUcontext ctx, void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  WITH(ctx, finish(cuMemcpyDtoHAsync(to, from, bytes, stream), stream));
}

CUresult fovea_event_record(CUcontext ctx, CUevent event, CUstream stream) { WITH(ctx, cuEventRecord(event, stream)); }

CUresult fovea_event_synchronize(CUcontext ctx, CUevent event) { WITH(ctx, cuEventSynchronize(event)); }

CUresult fovea_event_query(CUcontext ctx, CUevent event) { WITH(ctx, cuEventQuery(event)); }

CUresult fovea_event_elapsed(CUcontext ctx, float *milliseconds, CUevent start, CUevent end) {
  WITH(ctx, cuEventElapsedTime(milliseconds, start, end));
}

CUresult fovea_graph_launch_node(CUcontext ctx, CUgraph graph, const CUgraphNode *after, size_t count, CUfunction f,
                                 unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                                 unsigned blockZ, unsigned shared, const void *args, size_t size, CUgraphNode *node) {
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)args, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
  CUDA_KERNEL_NODE_PARAMS params = {
      .func = f,
      .gridDimX = gridX,
      .gridDimY = gridY,
      .gridDimZ = gridZ,
      .blockDimX = blockX,
      .blockDimY = blockY,
      .blockDimZ = blockZ,
      .sharedMemBytes = shared,
      .extra = size ? extra : NULL,
  };
  WITH(ctx, cuGraphAddKernelNode(node, graph, after, count, &params));
}

CUresult fovea_graph_copy_node(CUcontext ctx, CUgraph graph, const CUgraphNode *after, size_t count, CUmemorytype toType,
                               void *toHost, CUdeviceptr to, CUmemorytype fromType, const void *fromHost, CUdeviceptr from,
                               size_t bytes, CUgraphNode *node) {
  CUDA_MEMCPY3D copy = {
      .srcMemoryType = fromType,
      .srcHost = fromHost,
      .srcDevice = from,
      .srcPitch = bytes,
      .srcHeight = 1,
      .dstMemoryType = toType,
      .dstHost = toHost,
      .dstDevice = to,
      .dstPitch = bytes,
      .dstHeight = 1,
      .WidthInBytes = bytes,
      .Height = 1,
      .Depth = 1,
  };
  WITH(ctx, cuGraphAddMemcpyNode(node, graph, after, count, &copy, ctx));
}

CUresult fovea_graph_fill_node(CUcontext ctx, CUgraph graph, const CUgraphNode *after, size_t count, CUdeviceptr to,
                               unsigned pattern, size_t words, CUgraphNode *node) {
  CUDA_MEMSET_NODE_PARAMS fill = {.dst = to, .value = pattern, .elementSize = 4, .width = words, .height = 1};
  WITH(ctx, cuGraphAddMemsetNode(node, graph, after, count, &fill, ctx));
}

CUresult fovea_graph_instantiate(CUcontext ctx, CUgraph graph, CUgraphExec *executable) {
  WITH(ctx, cuGraphInstantiateWithFlags(executable, graph, 0));
}

CUresult fovea_graph_launch(CUcontext ctx, CUgraphExec executable, CUstream stream) {
  WITH(ctx, cuGraphLaunch(executable, stream));
}

CUresult fovea_graph_exec_destroy(CUcontext ctx, CUgraphExec executable) {
  WITH(ctx, cuGraphExecDestroy(executable));
}

CUresult fovea_sim_name_range(CUcontext ctx, void *function, CUdeviceptr address, size_t bytes, const char *name, int life) {
  CUresult (*f)(CUdeviceptr, size_t, const char *, int) = (CUresult(*)(CUdeviceptr, size_t, const char *, int))function;
  WITH(ctx, f(address, bytes, name, life));
}

CUresult fovea_sim_forget_ranges(CUcontext ctx, void *function, CUdeviceptr allocation) {
  CUresult (*f)(CUdeviceptr) = (CUresult(*)(CUdeviceptr))function;
  WITH(ctx, f(allocation));
}

size_t fovea_sim_text(void *function, int what, char *text, size_t size) {
  return ((size_t(*)(int, char *, size_t))function)(what, text, size);
}
