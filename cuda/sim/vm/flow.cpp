#include "flow.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace vm {

size_t labelTarget(const Entry& entry, const std::string& label, int line) {
  for (const Label& l : entry.labels) {
    if (l.name == label) return l.statement;
  }
  failLoad(FaultKind::Syntax, line, "no label " + label);
}

bool hasTarget(const Statement& s) {
  static const std::unordered_set<std::string> none = {
      "st",  "red",    "bra",   "brx",    "ret", "exit",     "trap",      "brkpt",     "membar",  "fence",
      "cp",  "prefetch", "prefetchu", "nanosleep", "pmevent", "discard", "griddepcontrol", "stmatrix"};
  if (none.count(s.opcode)) return false;
  if (s.opcode == "bar" || s.opcode == "barrier") {
    return std::find(s.modifiers.begin(), s.modifiers.end(), "red") != s.modifiers.end();
  }
  return !s.operands.empty();
}

namespace {

bool endsBlock(const Statement& s) {
  return s.opcode == "bra" || s.opcode == "brx" || s.opcode == "ret" || s.opcode == "exit" || s.opcode == "trap";
}

std::vector<size_t> branchTargets(const Entry& entry, const Statement& s) {
  std::vector<size_t> targets;
  if (s.opcode == "bra") {
    if (s.operands.size() != 1) failLoad(FaultKind::Syntax, s.line, "bra needs one label");
    targets.push_back(labelTarget(entry, s.operands[0].name, s.line));
  } else if (s.opcode == "brx") {
    if (s.operands.size() != 2) failLoad(FaultKind::Syntax, s.line, "brx needs an index and a list");
    for (const TargetList& list : entry.targetLists) {
      if (list.name != s.operands[1].name) continue;
      for (const std::string& l : list.labels) targets.push_back(labelTarget(entry, l, s.line));
    }
    if (targets.empty()) failLoad(FaultKind::Syntax, s.line, "no list of targets " + s.operands[1].name);
  }
  return targets;
}

void findBlocks(const Entry& entry, Flow& flow) {
  size_t n = entry.statements.size();
  std::vector<bool> leader(n + 1, false);
  leader[0] = true;
  for (const Label& l : entry.labels) leader[l.statement] = true;
  for (size_t i = 0; i < n; i++) {
    if (endsBlock(entry.statements[i])) leader[i + 1] = true;
  }
  flow.blockOf.resize(n);
  for (size_t i = 0; i < n; i++) {
    if (leader[i]) flow.blocks.push_back({i, i, {}});
    flow.blockOf[i] = int(flow.blocks.size()) - 1;
    flow.blocks.back().end = i + 1;
  }
  auto blockAt = [&](size_t statement) { return statement < n ? flow.blockOf[statement] : Flow::kExit; };
  for (BasicBlock& b : flow.blocks) {
    const Statement& last = entry.statements[b.end - 1];
    for (size_t t : branchTargets(entry, last)) b.successors.push_back(blockAt(t));
    bool leaves = last.opcode == "ret" || last.opcode == "exit" || last.opcode == "trap";
    if (leaves) b.successors.push_back(Flow::kExit);
    if (!endsBlock(last) || last.guard >= 0) b.successors.push_back(blockAt(b.end));
  }
}

// Cooper, Harvey, Kennedy: "A simple, fast dominance algorithm", on the reversed graph. Node n is the exit.
void findPostDominators(Flow& flow) {
  int n = int(flow.blocks.size());
  auto node = [n](int block) { return block == Flow::kExit ? n : block; };
  std::vector<std::vector<int>> predecessors(size_t(n) + 1);
  for (int b = 0; b < n; b++) {
    for (int s : flow.blocks[size_t(b)].successors) predecessors[size_t(node(s))].push_back(b);
  }
  std::vector<int> order, number(size_t(n) + 1, -1);  // postorder of the reversed graph
  std::vector<std::pair<int, size_t>> stack = {{n, 0}};
  std::vector<bool> seen(size_t(n) + 1, false);
  seen[size_t(n)] = true;
  while (!stack.empty()) {
    int at = stack.back().first;
    const std::vector<int>& next = predecessors[size_t(at)];
    if (stack.back().second < next.size()) {
      int p = next[stack.back().second++];
      if (!seen[size_t(p)]) {
        seen[size_t(p)] = true;
        stack.push_back({p, 0});
      }
    } else {
      number[size_t(at)] = int(order.size());
      order.push_back(at);
      stack.pop_back();
    }
  }
  std::vector<int> dominator(size_t(n) + 1, -1);
  dominator[size_t(n)] = n;
  for (bool changed = true; changed;) {
    changed = false;
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      if (*it == n) continue;
      int best = -1;
      for (int s : flow.blocks[size_t(*it)].successors) {
        int other = node(s);
        if (dominator[size_t(other)] < 0) continue;
        if (best < 0) {
          best = other;
          continue;
        }
        for (int x = best, y = other;;) {
          while (number[size_t(x)] < number[size_t(y)]) x = dominator[size_t(x)];
          while (number[size_t(y)] < number[size_t(x)]) y = dominator[size_t(y)];
          if (x == y) {
            best = x;
            break;
          }
        }
      }
      if (best != dominator[size_t(*it)]) {
        dominator[size_t(*it)] = best;
        changed = true;
      }
    }
  }
  flow.postDominator.resize(size_t(n));
  for (int b = 0; b < n; b++) {
    int d = dominator[size_t(b)];
    flow.postDominator[size_t(b)] = d < 0 || d == n ? Flow::kExit : d;
  }
}

}  // namespace

Flow analyseFlow(const Entry& entry) {
  Flow flow;
  findBlocks(entry, flow);
  findPostDominators(flow);
  return flow;
}

}  // namespace vm
