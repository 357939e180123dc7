#include "harness.h"

#include <cstdio>
#include <fstream>
#include <sstream>

namespace vmtest {
namespace {

struct Case {
  const char* name;
  void (*run)();
};

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

int failures = 0;
std::string folder;

}  // namespace

bool add(const char* name, void (*run)()) {
  cases().push_back({name, run});
  return true;
}

void fail(const char* file, int line, const std::string& message) {
  failures++;
  std::printf("  %s:%d: %s\n", file, line, message.c_str());
}

std::string readTestdata(const std::string& name) {
  std::ifstream in(folder + "/" + name);
  if (!in) fail(__FILE__, __LINE__, "no file " + folder + "/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

int faultLine(const std::string& file, const std::string& kernel) {
  std::istringstream in(readTestdata(file));
  std::string line;
  bool inside = false;
  for (int number = 1; std::getline(in, line); number++) {
    if (line.find("__global__") != std::string::npos) inside = line.find(" " + kernel + "(") != std::string::npos;
    if (inside && line.find("// fault") != std::string::npos) return number;
  }
  return 0;
}

Machine::Machine(const std::string& ptx) {
  vm::MemoryConfig c;
  c.capacity = uint64_t(1) << 30;
  memory_ = std::make_unique<vm::DeviceMemory>(c);
  module_ = vm::Module::load(ptx, *memory_, loadFault);
}

vm::Address Machine::allocate(uint64_t bytes) {
  vm::Address a = memory_->allocate(bytes);
  if (a == 0) fail(__FILE__, __LINE__, "no memory");
  return a;
}

vm::Fault Machine::run(const std::string& kernel, vm::Dim3 grid, vm::Dim3 block, const std::vector<uint8_t>& packed) {
  vm::Fault none;
  none.kind = vm::FaultKind::Syntax;
  none.message = loadFault ? loadFault.text() : "no kernel " + kernel;
  if (!module_) return none;
  const vm::Function* f = module_->function(kernel);
  if (!f) return none;
  config.grid = grid;
  config.block = block;
  config.parameters = packed.data();
  config.parameterBytes = packed.size();
  vm::Report r = vm::launch(*f, config, *memory_);
  counters = r.counters;
  return r.fault;
}

}  // namespace vmtest

int main(int argc, char** argv) {
  if (argc < 2) {
    std::printf("usage: run TESTDATA [--bench [kernel] | part of a test's name]\n");
    return 2;
  }
  vmtest::folder = argv[1];
  std::string filter = argc > 2 ? argv[2] : "";
  if (filter == "--bench") {
    vmtest::bench(argc > 3 ? argv[3] : "");
    return vmtest::failures != 0;
  }
  int ran = 0, failed = 0;
  for (const auto& c : vmtest::cases()) {
    if (std::string(c.name).find(filter) == std::string::npos) continue;
    int before = vmtest::failures;
    c.run();
    ran++;
    bool ok = vmtest::failures == before;
    failed += !ok;
    if (!ok) std::printf("FAIL %s\n", c.name);
  }
  std::printf("%d tests, %d failed\n", ran, failed);
  return failed != 0;
}
