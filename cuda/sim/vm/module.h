// A module: PTX text made ready to execute.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fault.h"
#include "memory.h"

namespace vm {

struct Parameter {
  std::string name;
  uint32_t offset = 0, size = 0, align = 1;  // in the packed parameter bytes
};

struct Variable {
  std::string name;
  Address address = 0;
  uint64_t bytes = 0;
  bool constant = false;
};

struct Program;  // decoded instructions; see program.h

struct Function {
  std::string name;
  std::vector<Parameter> parameters;
  uint32_t parameterBytes = 0;
  uint32_t staticShared = 0;   // bytes
  uint32_t localBytes = 0;     // a thread
  uint32_t maxThreads = 0;     // product of .maxntid or .reqntid, 0 if there is none
  Dim3 requiredBlock{0, 0, 0}; // .reqntid, zeros if there is none
  uint32_t registers = 0;      // estimate: the most 32-bit registers alive at one place
  std::shared_ptr<const Program> program;
};

class Module {
 public:
  // load parses a zero-free PTX text, allocates its variables in memory and decodes its kernels. On failure it returns null and
  // sets fault: Syntax or Unsupported, with the line.
  static std::unique_ptr<Module> load(std::string_view ptx, DeviceMemory& memory, Fault& fault);
  ~Module();

  int ptxVersion() const { return ptxVersion_; }  // major·10 + minor, e.g. 78
  int target() const { return target_; }          // e.g. 75, 80, 90
  const std::string& targetName() const { return targetName_; }  // e.g. "sm_90a"

  const Function* function(const std::string& name) const;  // null if there is none
  const Variable* variable(const std::string& name) const;
  const std::vector<Function>& functions() const { return functions_; }
  const std::vector<Variable>& variables() const { return variables_; }

  // header reads only .version and .target, so that a driver can refuse before it parses.
  static bool header(std::string_view ptx, int& version, std::string& target);

 private:
  explicit Module(DeviceMemory& memory) : memory_(memory) {}

  DeviceMemory& memory_;
  int ptxVersion_ = 0;
  int target_ = 0;
  std::string targetName_;
  std::vector<Function> functions_;
  std::vector<Variable> variables_;
};

}  // namespace vm
