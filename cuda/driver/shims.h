// Calls that cu does not bind, or that need several steps on one thread. Each makes its context current first, so that the
// goroutine that calls may be on any thread.
#include "../include/cuda.h" // not that of a toolkit

CUresult fovea_ctx_synchronize(CUcontext ctx);

CUresult fovea_host_allocate(CUcontext ctx, size_t bytes, void **memory);
CUresult fovea_host_free(CUcontext ctx, void *memory);

// fovea_module_log loads a module for the sake of the compiler's log, a string of at most size bytes.
CUresult fovea_module_log(CUcontext ctx, const char *image, char *log, size_t size);

CUresult fovea_function_set(CUcontext ctx, CUfunction f, CUfunction_attribute attribute, int value);

CUresult fovea_launch(CUcontext ctx, CUfunction f, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                      unsigned blockY, unsigned blockZ, unsigned shared, CUstream stream, const void *args, size_t size);

CUresult fovea_stream_synchronize(CUcontext ctx, CUstream stream);
CUresult fovea_stream_query(CUcontext ctx, CUstream stream);
CUresult fovea_stream_wait(CUcontext ctx, CUstream stream, CUevent event);

CUresult fovea_to_device(CUcontext ctx, CUdeviceptr to, const void *from, size_t bytes, CUstream stream);
CUresult fovea_to_host(CUcontext ctx, void *to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult fovea_copy(CUcontext ctx, CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult fovea_fill(CUcontext ctx, CUdeviceptr to, unsigned pattern, size_t words, CUstream stream);

// These two wait, so that the host memory may be the caller's own, used during the call only.
CUresult fovea_upload(CUcontext ctx, CUdeviceptr to, const void *from, size_t bytes, CUstream stream);
CUresult fovea_download(CUcontext ctx, void *to, CUdeviceptr from, size_t bytes, CUstream stream);

CUresult fovea_event_record(CUcontext ctx, CUevent event, CUstream stream);
CUresult fovea_event_synchronize(CUcontext ctx, CUevent event);
CUresult fovea_event_query(CUcontext ctx, CUevent event);
CUresult fovea_event_elapsed(CUcontext ctx, float *milliseconds, CUevent start, CUevent end);

CUresult fovea_graph_launch_node(CUcontext ctx, CUgraph graph, const CUgraphNode *after, size_t count, CUfunction f,
                                 unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                                 unsigned blockZ, unsigned shared, const void *args, size_t size, CUgraphNode *node);
CUresult fovea_graph_copy_node(CUcontext ctx, CUgraph graph, const CUgraphNode *after, size_t count, CUmemorytype toType,
                               void *toHost, CUdeviceptr to, CUmemorytype fromType, const void *fromHost, CUdeviceptr from,
                               size_t bytes, CUgraphNode *node);
CUresult fovea_graph_fill_node(CUcontext ctx, CUgraph graph, const CUgraphNode *after, size_t count, CUdeviceptr to,
                               unsigned pattern, size_t words, CUgraphNode *node);
CUresult fovea_graph_instantiate(CUcontext ctx, CUgraph graph, CUgraphExec *executable);
CUresult fovea_graph_launch(CUcontext ctx, CUgraphExec executable, CUstream stream);
CUresult fovea_graph_exec_destroy(CUcontext ctx, CUgraphExec executable);

// Functions of the simulated driver alone, found by name.
CUresult fovea_sim_name_range(CUcontext ctx, void *function, CUdeviceptr address, size_t bytes, const char *name, int life);
CUresult fovea_sim_forget_ranges(CUcontext ctx, void *function, CUdeviceptr allocation);
size_t fovea_sim_text(void *function, int what, char *text, size_t size);
