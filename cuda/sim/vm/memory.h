// Device memory: allocations between red zones, and for every byte whether it may be touched and whether it was written.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fault.h"

namespace vm {

// Address is a device address. It never equals a host address: host code that follows one dies at once.
using Address = uint64_t;

// Life says what a kernel may do with a named range of an allocation.
enum class Life : uint8_t {
  Live,           // may be read where written, and written
  Dead,           // may not be touched; its content is lost
  Uninitialised,  // may be written; may be read once written
};

struct Allocation {
  Address address = 0;
  uint64_t bytes = 0;
  uint64_t serial = 0;  // counts allocations from 1
  bool freed = false;
};

struct MemoryConfig {
  uint64_t capacity = uint64_t(8) << 30;      // bytes that can be allocated at one time
  uint64_t redZone = 512;                     // bytes around each allocation, at least 256
  uint64_t quarantine = uint64_t(256) << 20;  // freed bytes whose addresses are not given out again yet
};

// DeviceMemory is the global memory of one device. All methods may be called from any thread.
class DeviceMemory {
 public:
  // Throws std::bad_alloc if the host refuses the address space.
  explicit DeviceMemory(const MemoryConfig& config = {});
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  // allocate returns the address of fresh uninitialised memory, aligned to 256 bytes, or 0 if it does not fit. bytes > 0.
  Address allocate(uint64_t bytes);

  // free puts an allocation into quarantine. It fails on an address that is not the start of one, or already freed.
  Fault free(Address address);

  uint64_t capacity() const { return config_.capacity; }
  uint64_t used() const;
  std::vector<Allocation> allocations() const;  // those not freed, by address

  // find returns the allocation, freed or not, that contains the address (bytes = 0 if none does).
  Allocation find(Address address) const;

  // nameRange gives part of an allocation a name, used in messages, and a life. A later name replaces earlier ones that it
  // overlaps. Dead forgets content; Uninitialised forgets it too, and Live keeps it.
  Fault nameRange(Address address, uint64_t bytes, const std::string& name, Life life);
  // forgetRanges drops the names inside an allocation and makes all of it Live, dead parts uninitialised.
  Fault forgetRanges(Address allocation);

  // Copies and fills of the host. Each checks its whole range first and does nothing if that fails.
  // copyToHost also refuses bytes that nobody wrote; copyWithin carries the state of each byte along.
  Fault copyToDevice(Address target, const void* source, uint64_t bytes);
  Fault copyToHost(void* target, Address source, uint64_t bytes);
  Fault copyWithin(Address target, Address source, uint64_t bytes);
  // fill writes count copies of the low `width` (1, 2 or 4) bytes of value.
  Fault fill(Address target, uint32_t value, unsigned width, uint64_t count);

  // checkAccess tells whether a host operation on the range would fail, without doing it.
  Fault checkAccess(Address address, uint64_t bytes, bool reads) const;
  // poison makes a range uninitialised, e.g. the target of a copy that has not been executed yet.
  Fault poison(Address address, uint64_t bytes);

  // setReadOnly makes kernels fault when they store to the range; constants of modules use it.
  void setReadOnly(Address address, uint64_t bytes);

  // What follows serves the machine itself.

  static constexpr Address kBase = Address(0x7f) << 40;

  // One shadow byte for each aligned word of four bytes: low half accessible, high half initialised, a bit a byte.
  uint8_t* shadow() const { return shadow_; }
  uint8_t* data() const { return data_; }
  uint64_t reserved() const { return reserved_; }

  // One cell for the last writer and one for the readers of each word; see race.h.
  uint64_t* writers() const { return writers_; }
  uint64_t* readers() const { return readers_; }
  // nextGeneration numbers launches for the race cells, and clears them when the numbers wrap.
  uint32_t nextGeneration();

  // explain builds the fault for an access that the shadow refused.
  Fault explain(Address address, uint64_t bytes, bool reads) const;
  // place describes an address in terms of its allocation and named range, e.g. `byte 12 of "conv1.W" (100 bytes)`.
  std::string place(Address address) const;
  bool isReadOnly(Address address, uint64_t bytes) const;
  bool hasReadOnly() const { return hasReadOnly_.load(std::memory_order_relaxed); }

 private:
  struct Range {
    uint64_t bytes = 0;
    std::string name;
    Life life = Life::Live;
  };

  Fault outside(Address address, uint64_t bytes) const;
  const Allocation* containing(Address address) const;
  std::string placeLocked(Address address) const;
  Fault explainLocked(Address address, uint64_t bytes, bool reads) const;
  Fault checkLocked(Address address, uint64_t bytes, bool reads) const;
  void retireQuarantine();
  void dropRanges(Address address, uint64_t bytes);

  MemoryConfig config_;
  uint64_t reserved_ = 0;
  uint8_t* data_ = nullptr;
  uint8_t* shadow_ = nullptr;
  uint64_t* writers_ = nullptr;
  uint64_t* readers_ = nullptr;

  mutable std::mutex mutex_;
  std::map<Address, Allocation> allocations_;  // live and quarantined
  std::map<Address, uint64_t> gaps_;           // free extents, red zones included
  std::deque<Address> quarantined_;
  uint64_t quarantinedBytes_ = 0;
  uint64_t used_ = 0;
  uint64_t serial_ = 0;
  std::map<Address, Range> ranges_;
  std::map<Address, uint64_t> readOnly_;
  std::atomic<bool> hasReadOnly_{false};
  uint32_t generation_ = 0;
};

}  // namespace vm
