// Accesses of a warp to the memory spaces, checked and counted.
#pragma once

#include <cstdint>

#include "warp.h"

namespace vm {

// Request is one memory instruction: an address for each lane in the mask, `bytes` (1 to 16, a power of two) at each.
struct Request {
  alignas(32) uint64_t address[kLanes];
  uint32_t mask = 0;
  uint32_t bytes = 0;
  const Instr* in = nullptr;
  bool strong = false;  // relaxed, acquire or release: does not race with atomics and other strong accesses
};

// Data of lane i lies at 16·i.
constexpr int kLaneStride = 16;
using LaneData = uint8_t[kLanes * kLaneStride];

void readGlobal(Warp& w, const Request& q, uint8_t* data);
void writeGlobal(Warp& w, const Request& q, const uint8_t* data);
void readShared(Warp& w, const Request& q, uint8_t* data);
void writeShared(Warp& w, const Request& q, const uint8_t* data);
void readLocal(Warp& w, const Request& q, uint8_t* data);
void writeLocal(Warp& w, const Request& q, const uint8_t* data);
void readParameters(Warp& w, const Request& q, uint8_t* data);

// Generic addresses: each lane goes to the space its address lies in.
void readGeneric(Warp& w, const Request& q, uint8_t* data);
void writeGeneric(Warp& w, const Request& q, const uint8_t* data);

// For atomics: checks one lane's word, records it as an atomic access and returns its host address.
void* atomicGlobal(Warp& w, const Request& q, int lane);
void* atomicShared(Warp& w, const Request& q, int lane);

// Makes bytes of shared memory unwritten until an asynchronous copy delivers them.
void poisonShared(Warp& w, const Request& q);

// fillAddresses sets the addresses of a request from r[slot] + imm of its instruction.
void fillAddresses(Warp& w, Request& q, size_t slot, bool narrow);

}  // namespace vm
