#include "api.h"

using namespace sim;

CUresult cuMemGetInfo(size_t* free, size_t* total) {
  return inContext([&](Context& c) {
    *total = c.memory.capacity();
    *free = c.memory.capacity() - c.memory.used();
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAlloc(CUdeviceptr* address, size_t bytes) {
  return inContext([&](Context& c) {
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    if (driver().faults.strikes("alloc")) throw Failure{CUDA_ERROR_OUT_OF_MEMORY, "FOVEA_SIM_FAULT=alloc"};
    *address = c.memory.allocate(bytes);
    if (*address == 0) {
      throw Failure{CUDA_ERROR_OUT_OF_MEMORY, std::to_string(c.memory.used()) + " of " + std::to_string(c.memory.capacity()) +
                                                  " bytes are in use"};
    }
    c.allocations.insert(*address);
    return CUDA_SUCCESS;
  });
}

// Freeing waits for all work on the device, as NVIDIA's driver does.
CUresult cuMemFree(CUdeviceptr address) {
  return call([&] {
    Context& c = driver().current();
    if (address == 0) return CUDA_SUCCESS;
    if (c.sticky.code == CUDA_SUCCESS) c.finishAll();
    vm::Fault fault = c.allocations.count(address) ? c.memory.free(address) : vm::Fault{};
    if (!c.allocations.erase(address) || fault) {
      throw Failure{CUDA_ERROR_INVALID_VALUE, "free of " + c.memory.place(address) + ", which cuMemAlloc did not return or which was freed"};
    }
    c.check();  // after a fault memory is still given back, and the answer is the fault
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostAlloc(void** memory, size_t bytes, unsigned int flags) {
  return inContext([&](Context& c) {
    if (bytes == 0 || (flags & ~unsigned(CU_MEMHOSTALLOC_PORTABLE))) return CUDA_ERROR_INVALID_VALUE;
    if (driver().faults.strikes("pinned")) throw Failure{CUDA_ERROR_OUT_OF_MEMORY, "FOVEA_SIM_FAULT=pinned"};
    *memory = c.host.allocate(bytes);
    return *memory == nullptr ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
  });
}

CUresult cuMemFreeHost(void* memory) {
  return call([&] {
    Context& c = driver().current();
    if (c.host.busy(memory)) {
      c.fail({CUDA_ERROR_LAUNCH_FAILED, "pinned memory was freed while a copy that uses it was queued"});
    }
    if (!c.host.free(memory)) throw Failure{CUDA_ERROR_INVALID_VALUE, "cuMemHostAlloc did not return that pointer, or it was freed"};
    c.check();
    return CUDA_SUCCESS;
  });
}
