// Work, and the order of it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "../vm/launch.h"
#include "hostmemory.h"

namespace sim {

class Context;

// Clock names work: in each stream, by its number, everything up to a sequence number.
using Clock = std::map<uint64_t, uint64_t>;
void join(Clock& into, const Clock& from);

// Accesses are the bytes that work read and wrote, of devices and of pinned memory.
struct Range {
  uint64_t from, to;
};
struct Accesses {
  std::vector<Range> reads, writes;
  void add(const Accesses& other);
};

// conflict returns an address that one wrote and the other touched, 0 if there is none.
uint64_t conflict(const Accesses& a, const Accesses& b);

struct KernelWork {
  const vm::Function* function;
  std::shared_ptr<vm::Module> module;
  vm::LaunchConfig config;
  std::vector<uint8_t> arguments;
};

// CopyWork copies within the device, or between it and host memory.
struct CopyWork {
  vm::Address to = 0, from = 0;  // 0 for the host
  uint8_t* host = nullptr;       // pinned memory
  std::shared_ptr<std::vector<uint8_t>> staged;  // in place of host: pageable memory, read at the call
  uint64_t bytes = 0;
};

struct FillWork {
  vm::Address to;
  uint32_t value;
  unsigned width;  // bytes of value
  uint64_t count;
};

using Work = std::variant<std::monostate, KernelWork, CopyWork, FillWork>;

std::string describe(const Work& work);

// execute does the work, or throws a Failure. It collects the accesses if there is a place for them.
void execute(Context& c, const Work& work, Accesses* accesses);

// expect starts to watch the pinned memory of a copy, until expected is called.
HostMemory::Watch expect(Context& c, const Work& work);

// Operation is work in a stream.
struct Operation {
  std::string what;
  std::function<void(Operation&)> run;  // throws a Failure
  uint64_t stream = 0, seq = 0;
  Clock clock;  // what comes before, and itself
  std::vector<std::weak_ptr<Operation>> unordered;
  bool executed = false;
  Accesses accesses;  // collected only where something is unordered
  bool tracks() const { return !unordered.empty(); }
};

struct Stream {
  uint64_t id = 0;
  bool blocking = true;  // ordered with stream 0
  uint64_t queued = 0, done = 0;
  Clock clock;
  std::deque<std::shared_ptr<Operation>> pending;
};

struct Event {
  bool timing = true;
  bool recorded = false;
  Clock clock;
  std::shared_ptr<double> time;  // ms, once complete
};

struct Node {
  Work work;
  std::vector<size_t> after;
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;  // a CUgraphNode is the address of one
};

struct Executable {
  std::vector<Node> nodes;
  std::vector<std::vector<bool>> before;  // before[i][j]: node j comes before node i
  std::vector<bool> branches;             // node i has another that it is not ordered with
  bool checked = false;                   // conflicts between branches were looked for
  Clock last;                             // the launch before
};

}  // namespace sim
