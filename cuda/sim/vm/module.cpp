#include "module.h"

#include <cstring>
#include <unordered_map>

#include "decoder.h"
#include "lexer.h"
#include "ptx.h"

namespace vm {
namespace {

// targetNumber reads the digits of "sm_90a" or "compute_75".
int targetNumber(const std::string& target) {
  size_t digit = target.find_first_of("0123456789");
  return digit == std::string::npos ? 0 : std::atoi(target.c_str() + digit);
}

Function describe(const Entry& e) {
  Function f;
  f.name = e.name;
  f.maxThreads = e.maxThreads;
  f.requiredBlock = e.requiredBlock;
  for (const Symbol& p : e.parameters) {
    f.parameters.push_back({p.name, uint32_t(p.offset), uint32_t(p.bytes), p.align});
    f.parameterBytes = uint32_t(p.offset + p.bytes);
  }
  return f;
}

}  // namespace

std::unique_ptr<Module> Module::load(std::string_view ptx, DeviceMemory& memory, Fault& fault) {
  std::unique_ptr<Module> m(new Module(memory));
  try {
    ParsedModule parsed = parse(ptx);
    m->ptxVersion_ = parsed.version;
    m->targetName_ = parsed.target;
    m->target_ = targetNumber(parsed.target);
    std::unordered_map<std::string, Address> addresses;
    for (const Symbol& s : parsed.symbols) {
      if (s.space != Space::Global && s.space != Space::Constant) continue;
      if (s.bytes == 0) failLoad(FaultKind::Syntax, s.line, "variable " + s.name + " has no size");
      Address a = memory.allocate(s.bytes);
      if (a == 0) failLoad(FaultKind::OutOfBounds, s.line, "no device memory for " + s.name + ", " + std::to_string(s.bytes) + " bytes");
      m->variables_.push_back({s.name, a, s.bytes, s.space == Space::Constant});
      // Variables without an initialiser start as zeros.
      std::vector<uint8_t> initial = s.initial;
      initial.resize(s.bytes);
      memory.copyToDevice(a, initial.data(), initial.size());
      if (s.space == Space::Constant) memory.setReadOnly(a, s.bytes);
      addresses[s.name] = a;
    }
    for (const Entry& e : parsed.entries) {
      Function f = describe(e);
      Decoder decoder(parsed, e, addresses);
      auto program = std::make_shared<Program>(decoder.run());
      f.staticShared = decoder.staticShared();
      f.localBytes = program->localBytes;
      f.registers = decoder.pressure();
      f.program = std::move(program);
      m->functions_.push_back(std::move(f));
    }
  } catch (const LoadError& e) {
    fault = e.fault;
    return nullptr;
  }
  return m;
}

Module::~Module() {
  for (const Variable& v : variables_) memory_.free(v.address);
}

const Function* Module::function(const std::string& name) const {
  for (const Function& f : functions_) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

const Variable* Module::variable(const std::string& name) const {
  for (const Variable& v : variables_) {
    if (v.name == name) return &v;
  }
  return nullptr;
}

bool Module::header(std::string_view ptx, int& version, std::string& target) {
  try {
    std::vector<Token> tokens = tokenize(ptx);
    for (size_t i = 0; i + 1 < tokens.size(); i++) {
      std::string next(tokens[i + 1].text);
      size_t dot = next.find('.');
      if (tokens[i].is(".version") && dot != std::string::npos) version = std::atoi(next.c_str()) * 10 + std::atoi(next.c_str() + dot + 1);
      if (!tokens[i].is(".target")) continue;
      target = next;
      return version > 0;
    }
  } catch (const LoadError&) {
  }
  return false;
}

}  // namespace vm
