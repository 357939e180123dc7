#include "launches.h"

#include <cstring>

#include "api.h"

namespace sim {
namespace {

std::vector<uint8_t> arguments(const vm::Function& f, void** parameters, void** extra) {
  std::vector<uint8_t> bytes(f.parameterBytes);
  if (parameters != nullptr && extra != nullptr) throw Failure{CUDA_ERROR_INVALID_VALUE, "both kernelParams and extra are given"};
  if (parameters != nullptr) {
    for (size_t i = 0; i < f.parameters.size(); i++) {
      memcpy(bytes.data() + f.parameters[i].offset, parameters[i], f.parameters[i].size);
    }
    return bytes;
  }
  const void* buffer = nullptr;
  size_t size = 0;
  for (void** e = extra; e != nullptr && *e != CU_LAUNCH_PARAM_END; e += 2) {
    if (*e == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = e[1];
    else if (*e == CU_LAUNCH_PARAM_BUFFER_SIZE) size = *static_cast<size_t*>(e[1]);
    else throw Failure{CUDA_ERROR_INVALID_VALUE, "extra holds something unknown"};
  }
  if (size != f.parameterBytes) {
    throw Failure{CUDA_ERROR_INVALID_VALUE, "kernel " + f.name + " takes " + std::to_string(f.parameterBytes) + " bytes of arguments, not " +
                                                std::to_string(size)};
  }
  if (size > 0) memcpy(bytes.data(), buffer, size);
  return bytes;
}

bool within(const vm::Dim3& d, const vm::Dim3& limit) {
  return d.x > 0 && d.y > 0 && d.z > 0 && d.x <= limit.x && d.y <= limit.y && d.z <= limit.z;
}

}  // namespace

KernelWork kernelWork(Context& c, CUfunction handle, const Geometry& g, void** parameters, void** extra) {
  Function& f = c.function(handle);
  const vm::DeviceLimits limits = deviceLimits();
  auto refuse = [&](CUresult code, const std::string& why) { return Failure{code, "kernel " + f.vm->name + ": " + why}; };
  if (!within(g.grid, limits.maxGrid) || !within(g.block, limits.maxBlock)) throw refuse(CUDA_ERROR_INVALID_VALUE, "an extent is 0 or too large");
  uint64_t threads = g.block.count();
  uint64_t most = f.vm->maxThreads ? f.vm->maxThreads : limits.maxThreadsPerBlock;
  if (threads > limits.maxThreadsPerBlock || threads > most) {
    throw refuse(CUDA_ERROR_INVALID_VALUE, std::to_string(threads) + " threads a block, at most " + std::to_string(most));
  }
  const vm::Dim3& required = f.vm->requiredBlock;
  if (required.x && (required.x != g.block.x || required.y != g.block.y || required.z != g.block.z)) {
    throw refuse(CUDA_ERROR_INVALID_VALUE, "the block is not what .reqntid asks for");
  }
  uint64_t granted = f.maxDynamicShared;
  if (limits.sharedPerBlock > f.vm->staticShared) granted = std::max<uint64_t>(granted, limits.sharedPerBlock - f.vm->staticShared);
  if (g.shared > granted) {
    throw refuse(CUDA_ERROR_INVALID_VALUE, std::to_string(g.shared) + " bytes of dynamic shared memory, " + std::to_string(granted) + " are permitted");
  }
  KernelWork w;
  w.function = f.vm;
  w.module = f.module;
  w.config.grid = g.grid;
  w.config.block = g.block;
  w.config.dynamicShared = g.shared;
  w.config.maxDynamicShared = uint32_t(granted);
  w.config.limits = limits;
  w.arguments = arguments(*f.vm, parameters, extra);
  return w;
}

}  // namespace sim

using namespace sim;

CUresult cuLaunchKernel(CUfunction function, unsigned int gridX, unsigned int gridY, unsigned int gridZ, unsigned int blockX,
                        unsigned int blockY, unsigned int blockZ, unsigned int shared, CUstream stream, void** parameters, void** extra) {
  return inContext([&](Context& c) {
    Stream& s = c.stream(stream);
    if (driver().faults.strikes("launch")) throw Failure{CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "FOVEA_SIM_FAULT=launch"};
    Work work = kernelWork(c, function, {{gridX, gridY, gridZ}, {blockX, blockY, blockZ}, shared}, parameters, extra);
    auto op = std::make_shared<Operation>();
    op->what = describe(work);
    op->run = [&c, work = std::move(work)](Operation& self) { execute(c, work, self.tracks() ? &self.accesses : nullptr); };
    c.enqueue(s, op);
    return CUDA_SUCCESS;
  });
}
