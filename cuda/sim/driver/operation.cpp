#include "operation.h"

#include <algorithm>
#include <cstring>

#include "../vm/race.h"
#include "state.h"

namespace sim {
namespace {

std::string bytesOf(uint64_t n) { return std::to_string(n) + (n == 1 ? " byte" : " bytes"); }

CUresult codeOf(vm::FaultKind kind) {
  using K = vm::FaultKind;
  switch (kind) {
    case K::OutOfBounds: case K::Freed: case K::Dead: case K::ReadOnly: return CUDA_ERROR_ILLEGAL_ADDRESS;
    case K::Misaligned: return CUDA_ERROR_MISALIGNED_ADDRESS;
    case K::Spinning: case K::BarrierStuck: case K::WarpSyncStuck: return CUDA_ERROR_LAUNCH_TIMEOUT;
    case K::Trap: case K::InvalidOperation: return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case K::ParameterSize: case K::TooMuchShared: case K::TooManyThreads: case K::InvalidGeometry: return CUDA_ERROR_INVALID_VALUE;
    default: return CUDA_ERROR_LAUNCH_FAILED;
  }
}

void require(const vm::Fault& fault, const std::string& what) {
  if (fault) throw Failure{codeOf(fault.kind), what + ": " + fault.text()};
}

void sortRanges(std::vector<Range>& ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.from < b.from; });
  size_t n = 0;
  for (const Range& r : ranges) {
    if (n > 0 && r.from <= ranges[n - 1].to) {
      ranges[n - 1].to = std::max(ranges[n - 1].to, r.to);
    } else {
      ranges[n++] = r;
    }
  }
  ranges.resize(n);
}

uint64_t meeting(const std::vector<Range>& a, const std::vector<Range>& b) {
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i].to <= b[j].from) i++;
    else if (b[j].to <= a[i].from) j++;
    else return std::max(a[i].from, b[j].from);
  }
  return 0;
}

// collect reads off the race cells of the machine which bytes the launch of a generation touched.
void collect(vm::DeviceMemory& memory, uint32_t generation, Accesses& to) {
  auto scan = [&](const uint64_t* cells, uint64_t from, uint64_t bytes, std::vector<Range>& ranges) {
    uint64_t first = (from - vm::DeviceMemory::kBase) / 4;
    for (uint64_t w = first; w < first + (bytes + 3) / 4; w++) {
      if (vm::GlobalCell::generation(cells[w]) != generation) continue;
      uint32_t mask = vm::GlobalCell::bytes(cells[w]);
      for (unsigned i = 0; i < 4; i++) {
        if (!(mask >> i & 1)) continue;
        uint64_t address = vm::DeviceMemory::kBase + 4 * w + i;
        if (!ranges.empty() && ranges.back().to == address) ranges.back().to++;
        else ranges.push_back({address, address + 1});
      }
    }
  };
  for (const vm::Allocation& a : memory.allocations()) {
    scan(memory.writers(), a.address, a.bytes, to.writes);
    scan(memory.readers(), a.address, a.bytes, to.reads);
  }
}

void run(Context& c, const KernelWork& w, Accesses* accesses) {
  vm::LaunchConfig config = w.config;
  config.parameters = w.arguments.data();
  config.parameterBytes = w.arguments.size();
  const Settings& settings = driver().settings;
  config.seed = driver().nextSeed();
  config.workers = settings.workers;
  config.races = settings.races || accesses != nullptr;
  uint32_t generation = c.memory.nextGeneration() + 1;  // the machine takes the next, and starts again from 1 after 255
  vm::Report report = vm::launch(*w.function, config, c.memory);
  KernelCount& count = driver().counts[w.function->name];
  count.launches++;
  count.counters.add(report.counters);
  require(report.fault, "kernel " + w.function->name);
  if (accesses != nullptr) collect(c.memory, generation > 255 ? 1 : generation, *accesses);
}

void run(Context& c, const CopyWork& w, Accesses* accesses) {
  uint8_t* host = w.staged ? w.staged->data() : w.host;
  std::string what = describe(Work(w));
  if (w.to && w.from) {
    require(c.memory.copyWithin(w.to, w.from, w.bytes), what);
  } else if (w.to) {
    require(c.memory.copyToDevice(w.to, host, w.bytes), what);
  } else {
    require(c.memory.copyToHost(host, w.from, w.bytes), what);
    c.host.changed(host, w.bytes);
  }
  if (accesses == nullptr) return;
  uint64_t h = reinterpret_cast<uint64_t>(w.host);
  if (w.to) accesses->writes.push_back({w.to, w.to + w.bytes});
  else accesses->writes.push_back({h, h + w.bytes});
  if (w.from) accesses->reads.push_back({w.from, w.from + w.bytes});
  else if (!w.staged) accesses->reads.push_back({h, h + w.bytes});
}

void run(Context& c, const FillWork& w, Accesses* accesses) {
  require(c.memory.fill(w.to, w.value, w.width, w.count), describe(Work(w)));
  if (accesses != nullptr) accesses->writes.push_back({w.to, w.to + w.width * w.count});
}

void run(Context&, const std::monostate&, Accesses*) {}

}  // namespace

void join(Clock& into, const Clock& from) {
  for (auto& [stream, seq] : from) into[stream] = std::max(into[stream], seq);
}

void Accesses::add(const Accesses& other) {
  reads.insert(reads.end(), other.reads.begin(), other.reads.end());
  writes.insert(writes.end(), other.writes.begin(), other.writes.end());
  sortRanges(reads);
  sortRanges(writes);
}

uint64_t conflict(const Accesses& a, const Accesses& b) {
  if (uint64_t at = meeting(a.writes, b.writes)) return at;
  if (uint64_t at = meeting(a.writes, b.reads)) return at;
  return meeting(a.reads, b.writes);
}

std::string describe(const Work& work) {
  if (auto* k = std::get_if<KernelWork>(&work)) return "kernel " + k->function->name;
  if (auto* c = std::get_if<CopyWork>(&work)) {
    return "copy of " + bytesOf(c->bytes) + (c->to && c->from ? " within the device" : c->to ? " to the device" : " to the host");
  }
  if (auto* f = std::get_if<FillWork>(&work)) return "fill of " + bytesOf(f->width * f->count);
  return "empty node";
}

void execute(Context& c, const Work& work, Accesses* accesses) {
  if (!std::holds_alternative<std::monostate>(work) && driver().faults.strikes("device-lost")) {
    throw Failure{CUDA_ERROR_UNKNOWN, "the device was lost (FOVEA_SIM_FAULT=device-lost), at " + describe(work)};
  }
  Accesses found;
  std::visit([&](const auto& w) { run(c, w, accesses ? &found : nullptr); }, work);
  if (accesses != nullptr) accesses->add(found);
}

HostMemory::Watch expect(Context& c, const Work& work) {
  auto* w = std::get_if<CopyWork>(&work);
  if (w == nullptr || w->host == nullptr) return nullptr;
  return w->to ? c.host.expectRead(w->host, w->bytes) : c.host.expectWrite(w->host, w->bytes);
}

}  // namespace sim
