// Modules that must not load, and what they say; text that was damaged; what a loaded module tells.
#include <random>

#include "harness.h"

using namespace vm;
using namespace vmtest;

namespace {

const char* kHead = ".version 7.8\n.target sm_75\n.address_size 64\n";

std::string kernel(const std::string& body) {
  return std::string(kHead) + ".visible .entry k(.param .u64 p)\n{\n.reg .pred %p<4>;\n.reg .b32 %r<4>;\n.reg .f32 %f<4>;\n.reg .b64 %rd<4>;\n" + body + "\nret;\n}\n";
}

}  // namespace

TEST(loading_refuses) {
  const struct {
    std::string ptx;
    FaultKind kind;
    int line;
    const char* says;
  } cases[] = {
      {kernel("frobnicate.f32 %f0, %f1;"), FaultKind::Unsupported, 10, "frobnicate.f32"},
      {kernel("add.f32.strange %f0, %f1, %f2;"), FaultKind::Unsupported, 10, ".strange"},
      {kernel("call foo;"), FaultKind::Unsupported, 10, "call"},
      {kernel("atom.global.add.f32 %f0, [%rd0], %f1;"), FaultKind::Unsupported, 10, "order of threads"},
      {kernel("red.global.add.f32 [%rd0], %f1;"), FaultKind::Unsupported, 10, "order of threads"},
      {kernel("wgmma.fence.sync.aligned;"), FaultKind::Unsupported, 10, "wgmma"},
      {kernel("mov.u32 %r0, %clock;"), FaultKind::Unsupported, 10, "%clock"},
      {kernel("add.f32 %f0, %f1;"), FaultKind::Syntax, 10, "operands"},
      {kernel("add.s32 %r0, %r1, %rd0;"), FaultKind::Syntax, 10, "size"},
      {kernel("add.s32 %r0, %r1, nowhere;"), FaultKind::Syntax, 10, "nowhere"},
      {kernel("bra nowhere;"), FaultKind::Syntax, 10, "nowhere"},
      {kernel("add.s32 %r0, %r1, 0zz;"), FaultKind::Syntax, 10, "malformed number"},
      {kernel("add.s32 %r0, %r1, %r2"), FaultKind::Syntax, 11, "expected"},
      {kernel("@%r0 bra x;"), FaultKind::Syntax, 10, "predicate"},
      {kernel("/* no end"), FaultKind::Syntax, 10, "comment"},
      {".target sm_75\n", FaultKind::Syntax, 1, ".version"},
      {"", FaultKind::Syntax, 1, ".version"},
      {std::string(kHead) + ".visible .func f()\n{\nret;\n}\n", FaultKind::Unsupported, 4, ".func"},
      {std::string(kHead) + ".global .surfref s;\n", FaultKind::Unsupported, 4, "surfref"},
      {std::string(kHead) + ".visible .entry k()\n{\n}\n", FaultKind::Syntax, 4, "no instructions"},
      {std::string(kHead) + ".global .b8 x[99999999999][9999999999];\n", FaultKind::Syntax, 4, "too large"},
  };
  for (const auto& c : cases) {
    Machine m(c.ptx);
    CHECK(m.loadFault.kind == c.kind, std::string(c.says) + ": " + m.loadFault.text());
    CHECK(m.loadFault.ptxLine == c.line, std::string(c.says) + ": " + m.loadFault.text());
    CHECK(m.loadFault.message.find(c.says) != std::string::npos, m.loadFault.text());
    CHECK(m.memory().used() == 0, "a module that did not load keeps memory");
  }
}

TEST(loading_describes) {
  Machine m(std::string(kHead) +
            ".const .align 4 .b8 c[8] = {1, 2, 3};\n.global .align 8 .u64 g = 7;\n"
            ".visible .entry k(.param .u32 a, .param .u64 b, .param .align 16 .b8 s[20], .param .f32 d)\n.maxntid 128, 2, 1\n{\n"
            ".shared .align 16 .b8 x[100];\n.shared .align 4 .b8 y[8];\n.reg .b32 %r<3>;\nmov.u32 %r0, x;\nmov.u32 %r1, y;\nret;\n}\n");
  REQUIRE(!m.loadFault, m.loadFault.text());
  CHECK(m.module().ptxVersion() == 78 && m.module().target() == 75 && m.module().targetName() == "sm_75", "");
  const Function* f = m.module().function("k");
  REQUIRE(f != nullptr, "");
  CHECK(f->maxThreads == 256 && f->staticShared == 108, std::to_string(f->staticShared));
  REQUIRE(f->parameters.size() == 4, "");
  const uint32_t offsets[] = {0, 8, 16, 36}, sizes[] = {4, 8, 20, 4};
  for (size_t i = 0; i < 4; i++) CHECK(f->parameters[i].offset == offsets[i] && f->parameters[i].size == sizes[i], f->parameters[i].name);
  CHECK(f->parameterBytes == 40, std::to_string(f->parameterBytes));
  CHECK(m.module().function("missing") == nullptr && m.module().variable("missing") == nullptr, "");
  CHECK(m.download<uint8_t>(m.module().variable("c")->address, 8) == (std::vector<uint8_t>{1, 2, 3, 0, 0, 0, 0, 0}), "");
  CHECK(m.download<uint64_t>(m.module().variable("g")->address, 1)[0] == 7, "");
  int version = 0;
  std::string target;
  CHECK(Module::header(".version 9.0\n.target sm_90a\ngarbage", version, target) && version == 90 && target == "sm_90a", target);
  CHECK(!Module::header("garbage", version, target), "");
}

// Damaged text either loads or says why not.
TEST(loading_survives_damage) {
  std::mt19937 random(1);
  for (const char* name : {"kernels80.ptx", "planted.ptx", "control.ptx"}) {
    std::string text = readTestdata(name);
    DeviceMemory memory;
    for (int round = 0; round < 150; round++) {
      std::string damaged = text;
      for (int i = 0; i < 3; i++) {
        size_t at = random() % damaged.size();
        switch (random() % 4) {
          case 0: damaged[at] = char(random() % 256); break;
          case 1: damaged.erase(at, random() % 40); break;
          case 2: damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 40)); break;
          default: damaged.resize(std::max<size_t>(at, 1)); break;
        }
      }
      Fault fault;
      auto module = Module::load(damaged, memory, fault);
      CHECK(bool(module) != bool(fault), fault.text());
    }
  }
}
