#include "counters.h"

#include <cstdio>
#include <utility>

namespace vm {

const char* name(InstructionClass c) {
  static const char* names[] = {"move",   "integer", "float",  "double", "special", "convert", "compare", "branch",
                                "global", "shared",  "local",  "atomic", "async",   "warp",    "tensor",  "barrier"};
  return size_t(c) < size_t(InstructionClass::Count) ? names[size_t(c)] : "unknown";
}

namespace {

constexpr double kSectorBytes = 32;

double ratio(double part, double whole) { return whole == 0 ? 1 : part / whole; }

}  // namespace

double Counters::loadEfficiency() const { return ratio(double(globalLoadBytes), kSectorBytes * double(globalLoadSectors)); }
double Counters::storeEfficiency() const { return ratio(double(globalStoreBytes), kSectorBytes * double(globalStoreSectors)); }
double Counters::sharedFactor() const {
  return ratio(double(sharedLoadWavefronts + sharedStoreWavefronts), double(sharedLoadIdeal + sharedStoreIdeal));
}

void Counters::add(const Counters& o) {
  warpInstructions += o.warpInstructions;
  laneInstructions += o.laneInstructions;
  for (size_t i = 0; i < size_t(InstructionClass::Count); i++) byClass[i] += o.byClass[i];
  flops += o.flops;
  globalLoadRequests += o.globalLoadRequests;
  globalLoadSectors += o.globalLoadSectors;
  globalLoadBytes += o.globalLoadBytes;
  globalStoreRequests += o.globalStoreRequests;
  globalStoreSectors += o.globalStoreSectors;
  globalStoreBytes += o.globalStoreBytes;
  sharedLoadRequests += o.sharedLoadRequests;
  sharedLoadWavefronts += o.sharedLoadWavefronts;
  sharedLoadIdeal += o.sharedLoadIdeal;
  sharedStoreRequests += o.sharedStoreRequests;
  sharedStoreWavefronts += o.sharedStoreWavefronts;
  sharedStoreIdeal += o.sharedStoreIdeal;
  branches += o.branches;
  divergentBranches += o.divergentBranches;
  barriers += o.barriers;
  blocks += o.blocks;
  warps += o.warps;
}

std::string Counters::table() const {
  std::string out;
  auto line = [&](const std::string& label, const std::string& value) {
    char text[128];
    snprintf(text, sizeof text, "%-28s %20s\n", label.c_str(), value.c_str());
    out += text;
  };
  auto fraction = [](double v) {
    char text[32];
    snprintf(text, sizeof text, "%.4f", v);
    return std::string(text);
  };
  const std::pair<const char*, uint64_t> numbers[] = {
      {"blocks", blocks},
      {"warps", warps},
      {"warp instructions", warpInstructions},
      {"lane instructions", laneInstructions},
      {"floating-point operations", flops},
      {"global load requests", globalLoadRequests},
      {"global load sectors", globalLoadSectors},
      {"global store requests", globalStoreRequests},
      {"global store sectors", globalStoreSectors},
      {"shared load wavefronts", sharedLoadWavefronts},
      {"  ideal", sharedLoadIdeal},
      {"shared store wavefronts", sharedStoreWavefronts},
      {"  ideal", sharedStoreIdeal},
      {"conditional branches", branches},
      {"  divergent", divergentBranches},
      {"barrier arrivals", barriers},
  };
  for (const auto& [label, value] : numbers) line(label, std::to_string(value));
  line("load efficiency", fraction(loadEfficiency()));
  line("store efficiency", fraction(storeEfficiency()));
  line("shared factor", fraction(sharedFactor()));
  for (size_t i = 0; i < size_t(InstructionClass::Count); i++) {
    if (byClass[i]) line(std::string("class ") + name(InstructionClass(i)), std::to_string(byClass[i]));
  }
  return out;
}

}  // namespace vm
