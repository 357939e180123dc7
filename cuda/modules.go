//go:build cuda

package cuda

import (
	"errors"
	"sync"

	"fovea/cuda/driver"
	"fovea/kernels"
)

// modules are the files of kernels that a device has loaded, each when a Program
// needs it first.
type modules struct {
	context *driver.Context

	mutex  sync.Mutex
	loaded map[string]*module
}

// module is a loaded file.
type module struct {
	module    *driver.Module
	functions map[string]*function
}

// function is a kernel that is ready to be launched.
type function struct {
	*driver.Function
	shared uint32 // bytes of dynamic shared memory that it may be launched with
}

// plainShared is how much dynamic shared memory needs no permission, in bytes.
const plainShared = 48 << 10

func newModules(c *driver.Context) *modules {
	return &modules{context: c, loaded: map[string]*module{}}
}

// load loads a file.
func (m *modules) load(file string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	_, err := m.file(file)
	return err
}

// function returns a kernel that can be launched with so much dynamic shared memory.
func (m *modules) function(k *kernels.Kernel, shared uint32) (*driver.Function, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	file, err := m.file(k.File)
	if err != nil {
		return nil, err
	}
	f := file.functions[k.Name]
	if f == nil {
		f = &function{shared: plainShared}
		if f.Function, err = file.module.Function(k.Name); err != nil {
			return nil, err
		}
		file.functions[k.Name] = f
	}
	if shared > f.shared {
		if err := f.SetDynamicShared(int(shared)); err != nil {
			return nil, err
		}
		f.shared = shared
	}
	return f.Function, nil
}

func (m *modules) file(name string) (*module, error) {
	if f := m.loaded[name]; f != nil {
		return f, nil
	}
	text := kernels.PTX(name)
	if text == nil {
		panic("BUG: there is no file of kernels " + name)
	}
	loaded, err := m.context.Load(name+".ptx", text)
	if err != nil {
		return nil, err
	}
	f := &module{module: loaded, functions: map[string]*function{}}
	m.loaded[name] = f
	return f, nil
}

func (m *modules) close() error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var errs []error
	for _, f := range m.loaded {
		errs = append(errs, f.module.Close())
	}
	clear(m.loaded)
	return errors.Join(errs...)
}
