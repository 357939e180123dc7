// A small test runner, and a machine to run kernels on.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "launch.h"

namespace vmtest {

// TEST(name) { … } defines a test and registers it.
#define TEST(name)                                                    \
  static void test_##name();                                          \
  static const bool registered_##name = vmtest::add(#name, test_##name); \
  static void test_##name()

// CHECK records a failure and goes on; REQUIRE ends the test.
#define CHECK(condition, message) \
  do {                            \
    if (!(condition)) vmtest::fail(__FILE__, __LINE__, std::string(#condition) + ": " + (message)); \
  } while (false)
#define REQUIRE(condition, message)                                                      \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      vmtest::fail(__FILE__, __LINE__, std::string(#condition) + ": " + (message));      \
      return;                                                                            \
    }                                                                                    \
  } while (false)

bool add(const char* name, void (*run)());
void fail(const char* file, int line, const std::string& message);

// readTestdata returns a file of testdata/.
std::string readTestdata(const std::string& name);

// faultLine returns the line of a source in testdata that belongs to a kernel and carries the comment "fault", 0 if there is none.
int faultLine(const std::string& file, const std::string& kernel);

// Machine is device memory, a module and what it takes to launch its kernels.
class Machine {
 public:
  explicit Machine(const std::string& ptx);
  static Machine fromTestdata(const std::string& name) { return Machine(readTestdata(name)); }

  vm::Fault loadFault;
  vm::LaunchConfig config;  // parameters and geometry are set by launch
  vm::Counters counters;    // of the last launch

  vm::DeviceMemory& memory() { return *memory_; }
  const vm::Module& module() { return *module_; }
  vm::Address allocate(uint64_t bytes);
  template <class T>
  vm::Address upload(const std::vector<T>& v) {
    vm::Address a = allocate(v.size() * sizeof(T));
    if (vm::Fault f = memory_->copyToDevice(a, v.data(), v.size() * sizeof(T))) fail(__FILE__, __LINE__, f.text());
    return a;
  }
  template <class T>
  std::vector<T> download(vm::Address a, size_t count) {
    std::vector<T> v(count);
    if (vm::Fault f = memory_->copyToHost(v.data(), a, count * sizeof(T))) fail(__FILE__, __LINE__, f.text());
    return v;
  }

  // launch packs the arguments, each at its natural alignment.
  template <class... A>
  vm::Fault launch(const std::string& kernel, vm::Dim3 grid, vm::Dim3 block, A... arguments) {
    std::vector<uint8_t> packed;
    (pack(packed, arguments), ...);
    return run(kernel, grid, block, packed);
  }

 private:
  template <class T>
  static void pack(std::vector<uint8_t>& packed, T v) {
    packed.resize((packed.size() + sizeof(T) - 1) / sizeof(T) * sizeof(T));
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(&v);
    packed.insert(packed.end(), bytes, bytes + sizeof(T));
  }
  vm::Fault run(const std::string& kernel, vm::Dim3 grid, vm::Dim3 block, const std::vector<uint8_t>& packed);

  std::unique_ptr<vm::DeviceMemory> memory_;
  std::unique_ptr<vm::Module> module_;
};

// bench measures the kernels whose name contains the filter.
void bench(const std::string& filter);

}  // namespace vmtest
