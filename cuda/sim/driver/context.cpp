#include <algorithm>

#include "state.h"

namespace sim {
namespace {

vm::MemoryConfig memoryConfig(const Settings& s) {
  vm::MemoryConfig c;
  c.capacity = s.memory;
  return c;
}

template <class Map>
auto& lookUp(Map& map, typename Map::key_type handle, const char* what) {
  auto it = map.find(handle);
  if (it == map.end()) {
    throw Failure{CUDA_ERROR_INVALID_HANDLE, std::string("not a ") + what + " of this context, or destroyed already"};
  }
  return *it->second;
}

}  // namespace

Context::Context(int o, const Settings& settings) : ordinal(o), memory(memoryConfig(settings)) {}

void Context::check() const {
  if (sticky.code != CUDA_SUCCESS) throw sticky;
}

void Context::fail(const Failure& f) {
  if (sticky.code != CUDA_SUCCESS) return;
  sticky = f;
  report("device " + std::to_string(ordinal) + ": " + f.text);
  for (Stream* s : allStreams()) {
    s->pending.clear();
    s->done = s->queued;
  }
  host.forgetWatches();
}

std::vector<Stream*> Context::allStreams() {
  std::vector<Stream*> all{&legacy};
  for (auto& [handle, s] : streams) all.push_back(s.get());
  for (auto& s : abandoned_) all.push_back(s.get());
  return all;
}

void Context::enqueue(Stream& s, std::shared_ptr<Operation> op) {
  for (Stream* other : allStreams()) {
    // Stream 0 waits for blocking streams, and they for it.
    bool ordered = other != &s && (&s == &legacy ? other->blocking : other == &legacy && s.blocking);
    if (ordered) join(s.clock, Clock{{other->id, other->queued}});
  }
  op->stream = s.id;
  op->seq = ++s.queued;
  s.clock[s.id] = op->seq;
  op->clock = s.clock;
  for (Stream* other : allStreams()) {
    if (other == &s) continue;
    for (auto& pending : other->pending) {
      if (pending->seq <= op->clock[other->id]) continue;
      op->unordered.push_back(pending);
      pending->unordered.push_back(op);
    }
  }
  s.pending.push_back(std::move(op));
}

void Context::execute(Operation& op) {
  op.run(op);
  op.executed = true;
  for (auto& weak : op.unordered) {
    std::shared_ptr<Operation> other = weak.lock();
    if (!other || !other->executed) continue;
    if (uint64_t at = conflict(op.accesses, other->accesses)) {
      std::string where = host.pinned(reinterpret_cast<void*>(at), 1) ? "pinned memory" : memory.place(at);
      throw Failure{CUDA_ERROR_LAUNCH_FAILED, op.what + " and " + other->what +
                                                  ", in streams that are not ordered, touch the same memory and one writes: " + where};
    }
  }
}

void Context::runUntil(Stream& s, uint64_t seq) {
  while (!s.pending.empty() && s.pending.front()->seq <= seq) {
    std::shared_ptr<Operation> op = s.pending.front();
    for (Stream* other : allStreams()) {
      auto it = op->clock.find(other->id);
      if (other != &s && it != op->clock.end()) runUntil(*other, it->second);
    }
    if (s.pending.empty() || s.pending.front() != op) return;  // a fault emptied the queue
    s.pending.pop_front();
    // What others that are still queued must be compared with stays alive through them; see kept_.
    for (auto& weak : op->unordered) {
      if (auto other = weak.lock(); other && !other->executed) kept_[other.get()].push_back(op);
    }
    try {
      execute(*op);
    } catch (const Failure& f) {
      kept_.clear();
      fail(f);
      throw;
    }
    kept_.erase(op.get());
    s.done = op->seq;
  }
}

void Context::finish(const Clock& clock) {
  for (auto& [id, seq] : clock) {
    for (Stream* s : allStreams()) {
      if (s->id == id) runUntil(*s, seq);
    }
  }
}

void Context::finishAll() {
  for (Stream* s : allStreams()) runUntil(*s, s->queued);
  abandoned_.clear();
}

bool Context::complete(const Clock& clock) const {
  auto done = [&](const Stream& s) {
    auto it = clock.find(s.id);
    return it == clock.end() || s.done >= it->second;
  };
  if (!done(legacy)) return false;
  for (auto& [handle, s] : streams) {
    if (!done(*s)) return false;
  }
  return std::all_of(abandoned_.begin(), abandoned_.end(), [&](const auto& s) { return done(*s); });
}

void Context::step(const Clock& clock) {
  for (Stream* s : allStreams()) {
    auto it = clock.find(s->id);
    if (it != clock.end() && s->done < it->second) {
      runUntil(*s, s->done + 1);
      return;
    }
  }
}

Stream& Context::stream(CUstream handle) { return handle == nullptr ? legacy : lookUp(streams, handle, "stream"); }
Event& Context::event(CUevent handle) { return lookUp(events, handle, "event"); }
Graph& Context::graph(CUgraph handle) { return lookUp(graphs, handle, "graph"); }
Executable& Context::executable(CUgraphExec handle) { return lookUp(executables, handle, "executable graph"); }
Function& Context::function(CUfunction handle) { return lookUp(functions, handle, "function"); }

void Context::abandon(CUstream handle) {
  auto it = streams.find(handle);
  abandoned_.push_back(std::move(it->second));
  streams.erase(it);
}

std::vector<std::string> Context::leaks() const {
  std::vector<std::string> all;
  for (const vm::Allocation& a : memory.allocations()) {
    if (allocations.count(a.address)) {
      all.push_back("allocation " + std::to_string(a.serial) + " of device memory, " + std::to_string(a.bytes) + " bytes");
    }
  }
  for (auto& [p, bytes] : host.allocations()) all.push_back("pinned memory, " + std::to_string(bytes) + " bytes");
  for (auto& [handle, m] : modules) all.push_back("module with kernel " + m->name);
  auto count = [&](size_t n, const char* what) {
    if (n > 0) all.push_back(std::to_string(n) + " " + what + (n == 1 ? "" : "s"));
  };
  count(streams.size(), "stream");
  count(events.size(), "event");
  count(graphs.size(), "graph");
  count(executables.size(), "executable graph");
  return all;
}

}  // namespace sim
