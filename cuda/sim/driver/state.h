// The state of the simulated driver: devices, their primary contexts, and what lives in those.
#pragma once

#pragma GCC visibility push(default)
#include "../../include/cuda.h"
#pragma GCC visibility pop

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "../vm/launch.h"
#include "faults.h"
#include "hostmemory.h"
#include "operation.h"

namespace sim {

// Failure is what a call answers, with words for cuGetErrorString where there is more to say than the code does.
struct Failure {
  CUresult code;
  std::string text;
};

struct Module {
  std::string name;  // of its first kernel, for reports
  std::shared_ptr<vm::Module> vm;
};

// Function is what a CUfunction points to. It lives as long as its module.
struct Function {
  const vm::Function* vm;
  std::shared_ptr<vm::Module> module;  // kept while work is queued
  CUmodule owner;
  uint32_t maxDynamicShared = 0;  // what cuFuncSetAttribute granted
};

// Settings come from the environment.
struct Settings {
  int capability = 90;       // FOVEA_SIM_CAPABILITY, as 9.0
  int version = 13000;       // FOVEA_SIM_VERSION, the CUDA version of the driver, as 13.0
  int devices = 1;           // FOVEA_SIM_DEVICES
  uint64_t memory = uint64_t(4) << 30;  // FOVEA_SIM_MEMORY, bytes of a device, as 4G
  uint64_t seed = 0;         // FOVEA_SIM_SEED, of schedules; 0 is program order
  unsigned workers = 0;      // FOVEA_SIM_WORKERS, host threads of a launch; 0 is one a core
  bool races = true;         // FOVEA_SIM_RACES=0 leaves the detection of races out
  static Settings read();
};

// KernelCount sums the counters of a kernel.
struct KernelCount {
  uint64_t launches = 0;
  vm::Counters counters;
};

// Context is the primary context of a device. Handles that a program holds are the addresses of what the maps hold.
class Context {
 public:
  Context(int ordinal, const Settings& settings);

  // check throws the error that a fault left behind: it answers every later call.
  void check() const;
  // fail records a fault of the device, which sticks.
  void fail(const Failure& f);

  // enqueue puts work into a stream. Nothing runs before something waits for it.
  void enqueue(Stream& s, std::shared_ptr<Operation> op);
  // finish runs everything that a clock names.
  void finish(const Clock& clock);
  // finishAll runs everything.
  void finishAll();
  // complete tells whether everything that a clock names has run.
  bool complete(const Clock& clock) const;
  // step runs one operation that the clock waits for.
  void step(const Clock& clock);

  Stream& stream(CUstream handle);  // throws INVALID_HANDLE
  Event& event(CUevent handle);
  Graph& graph(CUgraph handle);
  Executable& executable(CUgraphExec handle);
  Function& function(CUfunction handle);

  uint64_t newStreamId() { return nextStream_++; }  // 0 is stream 0
  // abandon destroys a stream; what it holds still runs.
  void abandon(CUstream handle);

  // leaks describes what a program has not given back.
  std::vector<std::string> leaks() const;

  const int ordinal;
  vm::DeviceMemory memory;
  HostMemory host;
  Stream legacy;  // what stream 0 names
  std::map<CUstream, std::unique_ptr<Stream>> streams;
  std::map<CUevent, std::unique_ptr<Event>> events;
  std::map<CUgraph, std::unique_ptr<Graph>> graphs;
  std::map<CUgraphExec, std::shared_ptr<Executable>> executables;
  std::map<CUmodule, std::unique_ptr<Module>> modules;
  std::map<CUfunction, std::unique_ptr<Function>> functions;
  std::set<vm::Address> allocations;   // by cuMemAlloc
  Failure sticky{CUDA_SUCCESS, ""};

 private:
  void runUntil(Stream& s, uint64_t seq);
  void execute(Operation& op);
  std::vector<Stream*> allStreams();

  // Streams that were destroyed with work in them.
  std::vector<std::unique_ptr<Stream>> abandoned_;
  uint64_t nextStream_ = 1;
  // Operations that have run, kept for the sake of queued ones that they are not ordered with.
  std::map<const Operation*, std::vector<std::shared_ptr<Operation>>> kept_;
};

struct Device {
  int retained = 0;
  std::unique_ptr<Context> context;
};

class Driver {
 public:
  std::recursive_mutex mutex;
  bool initialised = false;
  Settings settings;
  Faults faults;
  std::vector<Device> devices;
  std::map<std::string, KernelCount> counts;
  std::string leaks;  // of contexts that were released, a line each

  Context& current();  // throws INVALID_CONTEXT
  Context* find(CUcontext handle);
  Device& device(CUdevice d);  // throws INVALID_DEVICE

  // explain keeps what there is to say about the last answer of its code; words returns it.
  void explain(const Failure& f) { words_[f.code] = f.text; }
  const std::string& words(CUresult code) { return words_[code]; }

  uint64_t nextSeed();  // for a schedule; 0 while FOVEA_SIM_SEED is

 private:
  std::map<CUresult, std::string> words_;
  uint64_t schedules_ = 0;
};

Driver& driver();

// deviceLimits are those of the chosen compute capability.
vm::DeviceLimits deviceLimits();

// report writes a line to standard error.
void report(const std::string& line);

extern thread_local CUcontext currentContext;

}  // namespace sim
