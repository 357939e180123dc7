#include "race.h"

#include <algorithm>

namespace vm {

void SharedCells::resize(size_t words) {
  writer.assign(words, 0);
  readers.assign(words, 0);
  last.assign(words, 0);
}

void joinKnowledge(Knowledge& into, const Knowledge& from) {
  for (const auto& [block, clocks] : from) {
    std::vector<uint32_t>& mine = into[block];
    mine.resize(std::max(mine.size(), clocks.size()), 0);
    for (size_t w = 0; w < clocks.size(); w++) mine[w] = std::max(mine[w], clocks[w]);
  }
}

void SyncTable::release(Address address, const Knowledge& knowledge) {
  std::lock_guard<std::mutex> lock(mutex_);
  joinKnowledge(released_[address], knowledge);
}

bool SyncTable::acquire(Address address, Knowledge& into) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = released_.find(address);
  if (it == released_.end()) return false;
  joinKnowledge(into, it->second);
  return true;
}

}  // namespace vm
