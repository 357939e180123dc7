#include <cstring>

#include "api.h"

using namespace sim;

namespace {

// What differs from one compute capability to the next: see the table "Technical Specifications per Compute Capability" of the CUDA
// programming guide. Counts of multiprocessors and clocks are those of a common card.
struct Chip {
  int capability, multiprocessors, threads, blocks, sharedOptin, shared, l2, clock, memoryClock, bus;
};
const Chip chips[] = {
    {75, 40, 1024, 16, 64 << 10, 64 << 10, 4 << 20, 1590000, 5001000, 256},
    {80, 108, 2048, 32, 163 << 10, 164 << 10, 40 << 20, 1410000, 1215000, 5120},
    {86, 84, 1536, 16, 99 << 10, 100 << 10, 6 << 20, 1695000, 9751000, 384},
    {89, 128, 1536, 24, 99 << 10, 100 << 10, 72 << 20, 2520000, 10501000, 384},
    {90, 132, 2048, 32, 227 << 10, 228 << 10, 50 << 20, 1980000, 2619000, 5120},
    {100, 148, 2048, 32, 227 << 10, 228 << 10, 126 << 20, 1965000, 3996000, 8192},
    {120, 170, 1536, 24, 99 << 10, 100 << 10, 96 << 20, 2407000, 14001000, 512},
};

// chip returns the newest that is not newer than the capability asked for.
const Chip& chip() {
  const Chip* best = &chips[0];
  for (const Chip& c : chips) {
    if (c.capability <= driver().settings.capability) best = &c;
  }
  return *best;
}

int attributeOf(CUdevice_attribute a, CUdevice device) {
  const vm::DeviceLimits limits = deviceLimits();
  const Chip& c = chip();
  switch (a) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return int(limits.maxThreadsPerBlock);
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: return int(limits.maxBlock.x);
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return int(limits.maxBlock.y);
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return int(limits.maxBlock.z);
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return int(limits.maxGrid.x);
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: return int(limits.maxGrid.y);
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return int(limits.maxGrid.z);
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return int(limits.sharedPerBlock);
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return int(limits.sharedPerBlockOptin);
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return c.shared;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 64 << 10;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return c.threads;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return c.blocks;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return c.multiprocessors;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return c.clock;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return c.memoryClock;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return c.bus;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return c.l2;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return driver().settings.capability / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return driver().settings.capability % 10;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 2;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS: return 1;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return device + 1;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID: return 0;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: return 512;
    default: return 0;
  }
}

}  // namespace

namespace sim {

vm::DeviceLimits deviceLimits() {
  vm::DeviceLimits limits;
  limits.sharedPerBlockOptin = uint32_t(chip().sharedOptin);
  return limits;
}

}  // namespace sim

CUresult cuDeviceGetCount(int* count) {
  return call([&] {
    *count = int(driver().devices.size());
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return call([&] {
    driver().device(ordinal);
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char* name, int size, CUdevice device) {
  return call([&] {
    driver().device(device);
    int c = driver().settings.capability;
    snprintf(name, size_t(size), "fovea simulated GPU (compute capability %d.%d)", c / 10, c % 10);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return call([&] {
    driver().device(device);
    memcpy(uuid->bytes, "fovea-simulated", 16);
    uuid->bytes[15] = char(device);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceTotalMem(size_t* bytes, CUdevice device) {
  return call([&] {
    driver().device(device);
    *bytes = driver().settings.memory;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return call([&] {
    driver().device(device);
    *value = attributeOf(attribute, device);
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return call([&] {
    Device& d = driver().device(device);
    if (!d.context) d.context = std::make_unique<Context>(device, driver().settings);
    d.retained++;
    *context = reinterpret_cast<CUcontext>(d.context.get());
    return CUDA_SUCCESS;
  });
}

// The last release frees everything. It reports what the program has not freed before.
CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return call([&] {
    Device& d = driver().device(device);
    if (d.retained == 0) throw Failure{CUDA_ERROR_INVALID_CONTEXT, "released more often than retained"};
    if (--d.retained > 0) return CUDA_SUCCESS;
    try {
      d.context->finishAll();
    } catch (const Failure&) {
      // The context goes away, and the fault was reported when it happened.
    }
    for (const std::string& leak : d.context->leaks()) {
      report("not freed when the context was released: " + leak);
      driver().leaks += leak + "\n";
    }
    d.context.reset();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return call([&] {
    if (context != nullptr && driver().find(context) == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    currentContext = context;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  return call([&] {
    *context = currentContext;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice(CUdevice* device) {
  return inContext([&](Context& c) {
    *device = c.ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSynchronize(void) {
  return inContext([&](Context& c) {
    c.finishAll();
    return CUDA_SUCCESS;
  });
}
