// Copies and fills. What is asynchronous is queued; what is not runs at once, unordered with streams that do not block.
#include <cstring>

#include "api.h"

using namespace sim;

namespace {

std::shared_ptr<Operation> operation(Context& c, Work work) {
  auto op = std::make_shared<Operation>();
  op->what = describe(work);
  op->run = [&c, work = std::move(work), watch = expect(c, work)](Operation& self) {
    if (watch && !c.host.expected(watch)) {
      throw Failure{CUDA_ERROR_LAUNCH_FAILED, self.what + ": the host wrote to the pinned memory before the copy had run"};
    }
    execute(c, work, self.tracks() ? &self.accesses : nullptr);
  };
  return op;
}

void countCopy() {
  if (driver().faults.strikes("copy")) throw Failure{CUDA_ERROR_OPERATING_SYSTEM, "FOVEA_SIM_FAULT=copy"};
}

void checkDevice(Context& c, CUdeviceptr address, uint64_t bytes, const char* what) {
  if (vm::Fault f = c.memory.checkAccess(address, bytes, false)) {
    throw Failure{CUDA_ERROR_INVALID_VALUE, std::string(what) + ": " + f.text()};
  }
}

CUresult toDevice(Context& c, CUdeviceptr to, const void* from, size_t bytes, Stream& s) {
  countCopy();
  checkDevice(c, to, bytes, "copy to the device");
  CopyWork w;
  w.to = to;
  w.bytes = bytes;
  auto* source = static_cast<uint8_t*>(const_cast<void*>(from));
  if (c.host.pinned(from, bytes)) w.host = source;
  else w.staged = std::make_shared<std::vector<uint8_t>>(source, source + bytes);
  c.enqueue(s, operation(c, std::move(w)));
  return CUDA_SUCCESS;
}

CUresult toHost(Context& c, void* to, CUdeviceptr from, size_t bytes, Stream& s) {
  countCopy();
  checkDevice(c, from, bytes, "copy to the host");
  CopyWork w;
  w.from = from;
  w.bytes = bytes;
  if (c.host.pinned(to, bytes)) {
    w.host = static_cast<uint8_t*>(to);
    c.enqueue(s, operation(c, std::move(w)));
    return CUDA_SUCCESS;
  }
  // Copies to pageable memory are complete when the call returns.
  w.staged = std::make_shared<std::vector<uint8_t>>(bytes);
  auto staged = w.staged;
  c.enqueue(s, operation(c, std::move(w)));
  c.finish(s.clock);
  memcpy(to, staged->data(), bytes);
  return CUDA_SUCCESS;
}

CUresult within(Context& c, CUdeviceptr to, CUdeviceptr from, size_t bytes, Stream& s) {
  countCopy();
  checkDevice(c, to, bytes, "target of a copy");
  checkDevice(c, from, bytes, "source of a copy");
  if (to < from + bytes && from < to + bytes && bytes > 0) {
    throw Failure{CUDA_ERROR_INVALID_VALUE, "copy within the device: source and target overlap"};
  }
  CopyWork w;
  w.to = to;
  w.from = from;
  w.bytes = bytes;
  c.enqueue(s, operation(c, std::move(w)));
  return CUDA_SUCCESS;
}

CUresult fill(Context& c, CUdeviceptr to, uint32_t value, unsigned width, size_t count, Stream& s) {
  if (to % width != 0) throw Failure{CUDA_ERROR_INVALID_VALUE, "fill of a misaligned address"};
  checkDevice(c, to, width * count, "fill");
  c.enqueue(s, operation(c, FillWork{to, value, width, count}));
  return CUDA_SUCCESS;
}

// now runs what was queued in stream 0.
CUresult now(Context& c, CUresult queued) {
  if (queued == CUDA_SUCCESS) c.finish(c.legacy.clock);
  return queued;
}

}  // namespace

CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  return inContext([&](Context& c) { return bytes == 0 ? CUDA_SUCCESS : toDevice(c, to, from, bytes, c.stream(stream)); });
}

CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return inContext([&](Context& c) { return bytes == 0 ? CUDA_SUCCESS : toHost(c, to, from, bytes, c.stream(stream)); });
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return inContext([&](Context& c) { return bytes == 0 ? CUDA_SUCCESS : within(c, to, from, bytes, c.stream(stream)); });
}

CUresult cuMemcpyHtoD(CUdeviceptr to, const void* from, size_t bytes) {
  return inContext([&](Context& c) { return bytes == 0 ? CUDA_SUCCESS : now(c, toDevice(c, to, from, bytes, c.legacy)); });
}

CUresult cuMemcpyDtoH(void* to, CUdeviceptr from, size_t bytes) {
  return inContext([&](Context& c) { return bytes == 0 ? CUDA_SUCCESS : now(c, toHost(c, to, from, bytes, c.legacy)); });
}

CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return inContext([&](Context& c) { return bytes == 0 ? CUDA_SUCCESS : now(c, within(c, to, from, bytes, c.legacy)); });
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream) {
  return inContext([&](Context& c) { return count == 0 ? CUDA_SUCCESS : fill(c, to, value, 4, count, c.stream(stream)); });
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return inContext([&](Context& c) { return count == 0 ? CUDA_SUCCESS : fill(c, to, value, 1, count, c.stream(stream)); });
}

CUresult cuMemsetD32(CUdeviceptr to, unsigned int value, size_t count) {
  return inContext([&](Context& c) { return count == 0 ? CUDA_SUCCESS : now(c, fill(c, to, value, 4, count, c.legacy)); });
}

CUresult cuMemsetD8(CUdeviceptr to, unsigned char value, size_t count) {
  return inContext([&](Context& c) { return count == 0 ? CUDA_SUCCESS : now(c, fill(c, to, value, 1, count, c.legacy)); });
}
