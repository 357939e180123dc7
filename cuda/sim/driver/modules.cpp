#include <cstring>
#include <string_view>

#include "api.h"

using namespace sim;

namespace {

// The newest PTX that a driver knows, 10·major + minor: CUDA 11.8 has 7.8, 12.n has 8.n, 13.n has 9.n; none goes below.
int newestPTX(int version) {
  int major = version / 1000, minor = version % 1000 / 10;
  return (major - 4) * 10 + minor;
}

// Log is the buffer that cuModuleLoadDataEx is given for errors.
struct Log {
  char* buffer = nullptr;
  size_t size = 0;
  void write(const std::string& text) const {
    if (buffer != nullptr && size > 0) snprintf(buffer, size, "%s", text.c_str());
  }
};

CUresult load(Context& c, CUmodule* handle, const void* image, const Log& log) {
  std::string_view ptx(static_cast<const char*>(image));
  auto reject = [&](CUresult code, const std::string& why) {
    log.write("ptxas simulated, " + why);
    return Failure{code, why};
  };
  if (driver().faults.strikes("module")) throw reject(CUDA_ERROR_INVALID_PTX, "error: FOVEA_SIM_FAULT=module");
  int version = 0;
  std::string target;
  if (!vm::Module::header(ptx, version, target)) throw reject(CUDA_ERROR_INVALID_IMAGE, "error: no .version and .target");
  int newest = newestPTX(driver().settings.version);
  if (version > newest || driver().faults.has("ptx-too-new")) {
    throw reject(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "error: PTX .version " + std::to_string(version / 10) + "." +
                                                         std::to_string(version % 10) + " is newer than the driver knows");
  }
  // sm_90a runs on 9.0 alone; every other target on what is not older.
  int capability = driver().settings.capability, wanted = 0;
  char family = 0;
  if (sscanf(target.c_str(), "sm_%d%c", &wanted, &family) < 1 || wanted > capability || (family == 'a' && wanted != capability)) {
    throw reject(CUDA_ERROR_NO_BINARY_FOR_GPU, "error: .target " + target + " does not run on compute capability " +
                                                   std::to_string(capability / 10) + "." + std::to_string(capability % 10));
  }
  vm::Fault fault;
  auto m = std::make_unique<Module>();
  m->vm = vm::Module::load(ptx, c.memory, fault);
  if (!m->vm) throw reject(CUDA_ERROR_INVALID_PTX, "error: " + fault.text());
  if (!m->vm->functions().empty()) m->name = m->vm->functions().front().name;
  *handle = reinterpret_cast<CUmodule>(m.get());
  c.modules[*handle] = std::move(m);
  return CUDA_SUCCESS;
}

Module& module(Context& c, CUmodule handle) {
  auto it = c.modules.find(handle);
  if (it == c.modules.end()) throw Failure{CUDA_ERROR_INVALID_HANDLE, "not a module of this context, or unloaded already"};
  return *it->second;
}

}  // namespace

CUresult cuModuleLoadData(CUmodule* handle, const void* image) {
  return inContext([&](Context& c) { return load(c, handle, image, Log{}); });
}

CUresult cuModuleLoadDataEx(CUmodule* handle, const void* image, unsigned int count, CUjit_option* options, void** values) {
  return inContext([&](Context& c) {
    Log log;
    for (unsigned i = 0; i < count; i++) {
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log.buffer = static_cast<char*>(values[i]);
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) log.size = reinterpret_cast<size_t>(values[i]);
    }
    return load(c, handle, image, log);
  });
}

// Unloading waits for all work on the device.
CUresult cuModuleUnload(CUmodule handle) {
  return call([&] {
    Context& c = driver().current();
    module(c, handle);
    if (c.sticky.code == CUDA_SUCCESS) c.finishAll();
    for (auto it = c.functions.begin(); it != c.functions.end();) {
      it = it->second->owner == handle ? c.functions.erase(it) : std::next(it);
    }
    c.modules.erase(handle);
    c.check();
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction* handle, CUmodule owner, const char* name) {
  return inContext([&](Context& c) {
    Module& m = module(c, owner);
    const vm::Function* f = m.vm->function(name);
    if (f == nullptr) throw Failure{CUDA_ERROR_NOT_FOUND, std::string("no kernel ") + name + " in the module"};
    for (auto& [h, known] : c.functions) {
      if (known->vm == f) {
        *handle = h;
        return CUDA_SUCCESS;
      }
    }
    auto function = std::make_unique<Function>(Function{f, m.vm, owner});
    *handle = reinterpret_cast<CUfunction>(function.get());
    c.functions[*handle] = std::move(function);
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetGlobal(CUdeviceptr* address, size_t* bytes, CUmodule owner, const char* name) {
  return inContext([&](Context& c) {
    const vm::Variable* v = module(c, owner).vm->variable(name);
    if (v == nullptr) throw Failure{CUDA_ERROR_NOT_FOUND, std::string("no variable ") + name + " in the module"};
    if (address != nullptr) *address = v->address;
    if (bytes != nullptr) *bytes = v->bytes;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
  return inContext([&](Context& c) {
    Function& f = c.function(handle);
    switch (attribute) {
      case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *value = int(f.vm->maxThreads ? f.vm->maxThreads : deviceLimits().maxThreadsPerBlock);
        return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = int(f.vm->staticShared); return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = int(f.vm->localBytes); return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = int(f.vm->registers); return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = f.module->target(); return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = driver().settings.capability; return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = int(f.maxDynamicShared); return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = 0; return CUDA_SUCCESS;
      default: return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  return inContext([&](Context& c) {
    Function& f = c.function(handle);
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
    uint64_t limit = deviceLimits().sharedPerBlockOptin;
    if (value < 0 || uint64_t(value) + f.vm->staticShared > limit) {
      throw Failure{CUDA_ERROR_INVALID_VALUE, std::to_string(value) + " bytes of dynamic and " + std::to_string(f.vm->staticShared) +
                                                  " of static shared memory are more than " + std::to_string(limit)};
    }
    f.maxDynamicShared = uint32_t(value);
    return CUDA_SUCCESS;
  });
}
