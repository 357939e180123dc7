#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "api.h"

namespace sim {

thread_local CUcontext currentContext = nullptr;

namespace {

// numberOf reads an environment variable as a whole number; 0 if it is absent.
uint64_t numberOf(const char* name, uint64_t absent) {
  const char* s = getenv(name);
  if (s == nullptr || *s == 0) return absent;
  char* end;
  uint64_t n = strtoull(s, &end, 10);
  if (end != s && *end == 'G') n <<= 30, end++;
  else if (end != s && *end == 'M') n <<= 20, end++;
  if (end == s || *end != 0 || *s == '-') throw std::invalid_argument(std::string(name) + ": \"" + s + "\" is not a number");
  return n;
}

// versionOf reads a variable such as 9.0, as major·scale + minor·step.
int versionOf(const char* name, int absent, int scale, int step) {
  const char* s = getenv(name);
  if (s == nullptr || *s == 0) return absent;
  int major, minor, used = 0;
  if (sscanf(s, "%2d.%1d%n", &major, &minor, &used) != 2 || s[used] != 0) {
    throw std::invalid_argument(std::string(name) + ": \"" + s + "\" is not of the form 9.0");
  }
  return major * scale + minor * step;
}

// A context that is never released reports at exit what it holds, if the process ends the way C programs do.
struct AtExit {
  ~AtExit() {
    for (Device& d : driver().devices) {
      if (!d.context) continue;
      for (const std::string& leak : d.context->leaks()) report("not freed at exit: " + leak);
    }
  }
} atExit;

}  // namespace

void report(const std::string& line) { fprintf(stderr, "fovea simulated driver: %s\n", line.c_str()); }

Settings Settings::read() {
  Settings s;
  s.capability = versionOf("FOVEA_SIM_CAPABILITY", s.capability, 10, 1);
  s.version = versionOf("FOVEA_SIM_VERSION", s.version, 1000, 10);
  s.devices = int(numberOf("FOVEA_SIM_DEVICES", uint64_t(s.devices)));
  s.memory = numberOf("FOVEA_SIM_MEMORY", s.memory);
  s.seed = numberOf("FOVEA_SIM_SEED", 0);
  s.workers = unsigned(numberOf("FOVEA_SIM_WORKERS", 0));
  s.races = numberOf("FOVEA_SIM_RACES", 1) != 0;
  if (s.devices > 64) throw std::invalid_argument("FOVEA_SIM_DEVICES: at most 64");
  return s;
}

Driver& driver() {
  static Driver* d = new Driver;  // never destroyed: threads may call until the end
  return *d;
}

Context* Driver::find(CUcontext handle) {
  for (Device& d : devices) {
    if (d.context && reinterpret_cast<CUcontext>(d.context.get()) == handle) return d.context.get();
  }
  return nullptr;
}

Context& Driver::current() {
  if (Context* c = currentContext == nullptr ? nullptr : find(currentContext)) return *c;
  throw Failure{CUDA_ERROR_INVALID_CONTEXT, ""};
}

Device& Driver::device(CUdevice d) {
  if (d < 0 || size_t(d) >= devices.size()) throw Failure{CUDA_ERROR_INVALID_DEVICE, ""};
  return devices[size_t(d)];
}

uint64_t Driver::nextSeed() { return settings.seed == 0 ? 0 : settings.seed * 0x9e3779b97f4a7c15 + ++schedules_; }

}  // namespace sim

using namespace sim;

CUresult cuInit(unsigned int flags) {
  Driver& d = driver();
  std::lock_guard<std::recursive_mutex> lock(d.mutex);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (d.initialised) return CUDA_SUCCESS;
  try {
    d.settings = Settings::read();
    d.faults.read(getenv("FOVEA_SIM_FAULT"));
  } catch (const std::invalid_argument& e) {
    d.explain({CUDA_ERROR_INVALID_VALUE, e.what()});
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (d.faults.has("no-device") || d.settings.devices == 0) return CUDA_ERROR_NO_DEVICE;
  if (d.faults.has("old-driver")) d.settings.version = 11040;
  d.devices.resize(size_t(d.settings.devices));
  d.initialised = true;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int* version) {
  if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *version = driver().settings.version;
  return CUDA_SUCCESS;
}
