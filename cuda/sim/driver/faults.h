// Faults on demand, by the environment variable FOVEA_SIM_FAULT: a list such as "alloc:3,launch:7,no-device".
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sim {

// Faults counts what can be made to fail:
//
//	alloc:n        the nth allocation of device memory finds none left
//	pinned:n       the nth allocation of pinned memory finds none left
//	launch:n       the nth launch, of a kernel or a graph, is refused
//	copy:n         the nth copy that is asked for is refused
//	module:n       the nth module is rejected by the compiler
//	graph:n        the nth graph cannot be instantiated
//	device-lost:n  the device is lost at the nth piece of work that it executes
//	no-device      there is no device
//	old-driver     the driver is of CUDA 11.4
//	ptx-too-new    every PTX is of a version that the driver does not know
class Faults {
 public:
  // read throws std::invalid_argument with words about what it does not understand.
  void read(const char* list);
  // strikes counts one more of a kind, and tells whether that one fails.
  bool strikes(const std::string& kind);
  // has tells whether a kind without a count was asked for.
  bool has(const std::string& kind) const;

 private:
  std::map<std::string, uint64_t> at_, count_;
};

}  // namespace sim
