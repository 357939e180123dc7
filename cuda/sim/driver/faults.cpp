#include "faults.h"

#include <set>
#include <sstream>
#include <stdexcept>

namespace sim {
namespace {

const std::set<std::string> counted = {"alloc", "pinned", "launch", "copy", "module", "graph", "device-lost"};
const std::set<std::string> plain = {"no-device", "old-driver", "ptx-too-new"};

}  // namespace

void Faults::read(const char* list) {
  if (list == nullptr) return;
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');) {
    size_t colon = item.find(':');
    std::string kind = item.substr(0, colon);
    if (colon == std::string::npos && plain.count(kind)) {
      at_[kind] = 0;
      continue;
    }
    std::string n = colon == std::string::npos ? "" : item.substr(colon + 1);
    bool digits = !n.empty() && n.size() < 10 && n.find_first_not_of("0123456789") == std::string::npos;
    if (!counted.count(kind) || !digits || std::stoul(n) == 0) {
      throw std::invalid_argument("FOVEA_SIM_FAULT: \"" + item + "\" is none of alloc:n, pinned:n, launch:n, copy:n, module:n, " +
                                  "graph:n, device-lost:n, no-device, old-driver, ptx-too-new");
    }
    at_[kind] = std::stoul(n);
  }
}

bool Faults::strikes(const std::string& kind) {
  auto it = at_.find(kind);
  return it != at_.end() && ++count_[kind] == it->second;
}

bool Faults::has(const std::string& kind) const { return at_.count(kind) > 0; }

}  // namespace sim
