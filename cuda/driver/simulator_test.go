//go:build cuda && linux && (amd64 || arm64)

package driver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// session is what the scenarios work with.
type session struct {
	c      *Context
	s, s2  *Stream
	x, y   Address // 400 bytes each
	p, q   *Pinned // 400 bytes each
	kernel *Function
	module *Module
}

func (n *session) grid() Grid { return Grid{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{128, 1, 1}} }

func start() *session {
	n := &session{c: must(Open(0))}
	n.s, n.s2 = must(n.c.NewStream()), must(n.c.NewStream())
	n.x, n.y = must(n.c.Allocate(400)), must(n.c.Allocate(400))
	n.p, n.q = must(n.c.AllocatePinned(400)), must(n.c.AllocatePinned(400))
	return n
}

// load gives the session its kernel.
func (n *session) load() {
	n.module = must(n.c.Load("vector", vectorPTX()))
	n.kernel = must(n.module.Function("index"))
}

// close frees everything, whatever happened before, and tells what the driver found left over.
func (n *session) close() {
	if n.module != nil {
		_ = n.module.Close()
	}
	for _, p := range []*Pinned{n.p, n.q} {
		_ = p.Close()
	}
	for _, a := range []Address{n.x, n.y} {
		_ = n.c.Free(a)
	}
	for _, s := range []*Stream{n.s, n.s2} {
		_ = s.Close()
	}
	check(n.c.Close())
	fmt.Printf("leaks: %q\n", Leaks())
}

// scenario registers a function that is to fail, between start and close.
func scenario(name string, f func(n *session) error) {
	scenarios[name] = func() error {
		n := start()
		defer n.close()
		return f(n)
	}
}

func init() {
	scenario("host reads early", func(n *session) error {
		check(n.s.Fill(n.x, 5, 400))
		clear(n.p.Bytes())
		check(n.s.ToHost(n.p, 0, n.x, 400))
		early := binary.LittleEndian.Uint32(n.p.Bytes())
		check(n.s.Synchronize())
		fmt.Printf("early %#x, later %d\n", early, binary.LittleEndian.Uint32(n.p.Bytes()))
		return nil
	})
	scenario("host changes source", func(n *session) error {
		check(n.s.ToDevice(n.x, n.p, 0, 400))
		n.p.Bytes()[399]++
		return n.s.Synchronize()
	})
	scenario("host writes target", func(n *session) error {
		check(n.s.Fill(n.x, 5, 400))
		check(n.s.ToHost(n.p, 0, n.x, 400))
		n.p.Bytes()[0] = 1
		return n.s.Synchronize()
	})
	scenario("pinned memory reused in order", func(n *session) error {
		check(n.s.Fill(n.x, 5, 400))
		check(n.s.ToHost(n.p, 0, n.x, 400))
		check(n.s.ToDevice(n.y, n.p, 0, 400))
		check(n.s.Fill(n.x, 6, 400))
		check(n.s.ToHost(n.p, 0, n.x, 400))
		check(n.s.ToHost(n.q, 0, n.y, 400))
		check(n.s.Synchronize())
		fmt.Println(words(n.p.Bytes())[99], words(n.q.Bytes())[99])
		return nil
	})
	scenario("pinned memory freed early", func(n *session) error {
		check(n.s.ToDevice(n.x, n.p, 0, 400))
		return n.p.Close()
	})
	scenario("streams without order", func(n *session) error {
		check(n.s.Fill(n.x, 1, 400))
		check(n.s2.Fill(n.x+396, 2, 4))
		return n.c.Synchronize()
	})
	scenario("kernel without order", func(n *session) error {
		n.load()
		check(n.s.Launch(n.kernel, n.grid(), indexArgs(n.x, 50, 0)))
		check(n.s2.Copy(n.y, n.x+196, 4)) // the last element that the kernel writes
		return n.c.Synchronize()
	})
	scenario("streams apart", func(n *session) error {
		n.load()
		check(n.s.Launch(n.kernel, n.grid(), indexArgs(n.x, 50, 0)))
		check(n.s2.Fill(n.x+200, 2, 200))
		return n.c.Synchronize()
	})
	scenario("streams ordered by an event", func(n *session) error {
		e := must(n.c.NewEvent(false))
		check(n.s.Fill(n.x, 1, 400))
		check(n.s.Record(e))
		check(n.s2.Wait(e))
		check(n.s2.Fill(n.x, 2, 400))
		return errors.Join(n.c.Synchronize(), e.Close())
	})
	scenario("branches without order", func(n *session) error {
		g := must(n.c.NewGraph())
		first := must(g.AddFill(nil, n.x, 1, 400))
		must(g.AddCopy([]GraphNode{first}, n.y, n.x, 400))
		must(g.AddFill(nil, n.y+200, 2, 4))
		x := must(g.Instantiate())
		check(g.Close())
		check(n.s.Run(x))
		return errors.Join(n.s.Synchronize(), x.Close())
	})
	scenario("unwritten memory", func(n *session) error {
		check(n.s.Fill(n.x, 1, 396))
		return n.s.Download(make([]byte, 400), n.x)
	})
	scenario("copy past the end", func(n *session) error {
		if err := n.s.Upload(n.x, make([]byte, 401)); err == nil {
			return nil
		} else if ended := n.s.Upload(n.x, make([]byte, 400)); ended != nil {
			return ended // a refused call must not spoil the context
		} else {
			return err
		}
	})
	scenario("kernel past the end", func(n *session) error {
		n.load()
		check(n.s.Launch(n.kernel, n.grid(), indexArgs(n.x, 101, 0)))
		err := n.s.Synchronize()
		fmt.Println("and then", outcome(n.s.Fill(n.x, 0, 4)))
		return err
	})
	scenario("named range overrun", func(n *session) error {
		n.load()
		check(n.c.NameRange(n.x, 200, "first", Live))
		check(n.c.NameRange(n.x+200, 200, "second", Dead))
		check(n.s.Launch(n.kernel, n.grid(), indexArgs(n.x, 51, 0)))
		return n.s.Synchronize()
	})
	scenario("wrong arguments", func(n *session) error {
		n.load()
		return n.s.Launch(n.kernel, n.grid(), make([]byte, 20))
	})
	scenario("free twice", func(n *session) error {
		check(n.c.Free(n.x))
		return n.c.Free(n.x)
	})
	scenario("leaking", func(n *session) error {
		n.load()
		must(n.c.Allocate(123))
		must(n.c.AllocatePinned(45))
		must(n.c.NewEvent(true))
		must(n.c.NewStream())
		g := must(n.c.NewGraph())
		must(g.AddFill(nil, n.x, 0, 4))
		must(g.Instantiate())
		must(n.c.Load("vector", vectorPTX()))
		return nil
	})
	scenario("counters", func(n *session) error {
		n.load()
		for range 2 {
			check(n.s.Launch(n.kernel, n.grid(), indexArgs(n.x, 100, 0)))
		}
		check(n.s.Synchronize())
		for _, k := range must(KernelCounts()) {
			fmt.Println(k.Name, k.Launches, k.Blocks, k.Warps, k.GlobalStoreRequests, k.GlobalStoreSectors, k.GlobalStoreBytes)
		}
		ResetCounts()
		fmt.Println(len(must(KernelCounts())), "after")
		return nil
	})
	scenarios["devices"] = func() error {
		fmt.Println(Version())
		for i, d := range must(Devices()) {
			fmt.Printf("%d: %d %d %d\n", i, d.Capability, d.Memory, d.SharedPerBlock)
		}
		first, second := must(Open(0)), must(Open(1))
		a := must(first.Allocate(60 << 20))
		_, err := first.Allocate(60 << 20)
		fmt.Println(outcome(err))
		b := must(second.Allocate(60 << 20))
		return errors.Join(first.Free(a), second.Free(b), first.Close(), second.Close())
	}
	// What a program does: everything that can be made to fail, in turn.
	scenarios["everything"] = func() (err error) {
		c, err := Open(0)
		if err != nil {
			return err
		}
		closing := func(f func() error) { err = errors.Join(err, f()) }
		defer func() {
			fmt.Printf("leaks: %q\n", Leaks())
		}()
		defer closing(c.Close)
		s, err := c.NewStream()
		if err != nil {
			return err
		}
		defer closing(s.Close)
		for range 3 {
			a, err := c.Allocate(400)
			if err != nil {
				return err
			}
			defer closing(func() error { return c.Free(a) })
			if err := s.Fill(a, 1, 400); err != nil {
				return err
			}
		}
		a, err := c.Allocate(400)
		if err != nil {
			return err
		}
		defer closing(func() error { return c.Free(a) })
		p, err := c.AllocatePinned(400)
		if err != nil {
			return err
		}
		defer closing(p.Close)
		defer closing(s.Synchronize) // before memory that copies use is freed
		for range 2 {
			if err := s.ToDevice(a, p, 0, 400); err != nil {
				return err
			}
		}
		m, err := c.Load("vector", vectorPTX())
		if err != nil {
			return err
		}
		defer closing(m.Close)
		f, err := m.Function("index")
		if err != nil {
			return err
		}
		grid := Grid{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{128, 1, 1}}
		if err := s.Launch(f, grid, indexArgs(a, 100, 0)); err != nil {
			return err
		}
		g, err := c.NewGraph()
		if err != nil {
			return err
		}
		defer closing(g.Close)
		if _, err := g.AddLaunch(nil, f, grid, indexArgs(a, 100, 1)); err != nil {
			return err
		}
		x, err := g.Instantiate()
		if err != nil {
			return err
		}
		defer closing(x.Close)
		if err := s.Run(x); err != nil {
			return err
		}
		return s.Synchronize()
	}
}

func TestSimulatedChecks(t *testing.T) {
	const nothing = "leaks: []"
	for _, c := range []struct {
		name string
		want []string
	}{
		{"host reads early", []string{"early 0xffffffff, later 5", "ended well", nothing}},
		{"host changes source", []string{"[device lost]", "the host wrote to the pinned memory before the copy had run", "copy of 400 bytes to the device", nothing}},
		{"host writes target", []string{"[device lost]", "the host wrote to the pinned memory before the copy had run", "copy of 400 bytes to the host", nothing}},
		{"pinned memory reused in order", []string{"6 5", "ended well", nothing}},
		{"pinned memory freed early", []string{"pinned memory was freed while a copy that uses it was queued", nothing}},
		{"streams without order", []string{"in streams that are not ordered", "fill of 4 bytes", "fill of 400 bytes", "byte 396 of allocation 1", nothing}},
		{"kernel without order", []string{"in streams that are not ordered", "kernel index", "copy of 4 bytes within the device", "byte 196 of allocation 1", nothing}},
		{"streams apart", []string{"ended well", nothing}},
		{"streams ordered by an event", []string{"ended well", nothing}},
		{"branches without order", []string{"which the graph does not order", "copy of 400 bytes within the device (node 1)", "fill of 4 bytes (node 2)", "byte 200 of allocation 2", nothing}},
		{"unwritten memory", []string{"uninitialised read", "byte 396", nothing}},
		{"copy past the end", []string{"[invalid value]", "out of bounds", nothing}},
		{"kernel past the end", []string{"[illegal memory access in a kernel] [device lost]", "out of bounds", "kernel index", "PTX line 25", "thread (100,0,0)",
			"and then error: cuda/driver: cuMemsetD32Async", nothing}},
		{"named range overrun", []string{"[illegal memory access in a kernel]", "dead memory", `"second"`, "thread (50,0,0)", nothing}},
		{"wrong arguments", []string{"[invalid value]", "kernel index takes 16 bytes of arguments, not 20", nothing}},
		{"free twice", []string{"[invalid value]", "cuMemFree", nothing}},
		{"leaking", []string{"device memory, 123 bytes", "pinned memory, 45 bytes", "1 event", "1 stream", "1 graph", "1 executable graph", "module with kernel index"}},
		{"counters", []string{"index 2 2 8 8 26 800", "0 after", nothing}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := playSimulated(t, c.name)
			for _, want := range c.want {
				assert.Contains(t, got, want)
			}
		})
	}
}

func TestSimulatedFaults(t *testing.T) {
	for _, c := range []struct {
		fault string
		want  []string
	}{
		{"", []string{"ended well"}},
		{"alloc:1", []string{"cuMemAlloc", "[out of device memory]", "for 400 bytes"}},
		{"alloc:3", []string{"cuMemAlloc", "[out of device memory]"}},
		{"pinned:1", []string{"cuMemHostAlloc", "[out of device memory]"}},
		{"copy:2", []string{"cuMemcpyHtoDAsync", "CUDA_ERROR_OPERATING_SYSTEM"}},
		{"module:1", []string{"cuModuleLoadData", "[module rejected]", "module vector"}},
		{"launch:1", []string{"cuLaunchKernel", "[launch refused]", "function index"}},
		{"launch:2", []string{"cuGraphLaunch", "[launch refused]"}},
		{"graph:1", []string{"cuGraphInstantiateWithFlags", "[out of device memory]"}},
		{"device-lost:2", []string{"[device lost]", "fill of 400 bytes"}},
		{"device-lost:6", []string{"[device lost]", "kernel index"}},
		{"ptx-too-new", []string{"[NVIDIA driver too old]", "[module rejected]"}},
		{"old-driver", []string{"[NVIDIA driver too old]", "supports CUDA 11.4, and fovea needs 11.8"}},
		{"no-device", []string{"cuInit", "[no NVIDIA device]"}},
		{"nonsense", []string{`"nonsense" is none of alloc:n`}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			got := playSimulated(t, "everything", "FOVEA_SIM_FAULT="+c.fault)
			for _, want := range c.want {
				assert.Contains(t, got, want)
			}
			if !slices.Contains([]string{"old-driver", "no-device", "nonsense"}, c.fault) {
				assert.Contains(t, got, "leaks: []")
			}
		})
	}
}

// TestSimulatedSchedules runs what is in order in several orders that it permits.
func TestSimulatedSchedules(t *testing.T) {
	for seed := range 5 {
		for _, name := range []string{"everything", "pinned memory reused in order", "streams ordered by an event"} {
			got := playSimulated(t, name, fmt.Sprintf("FOVEA_SIM_SEED=%d", seed))
			assert.Contains(t, got, "ended well", "seed %d, %s", seed, name)
			assert.Contains(t, got, "leaks: []", "seed %d, %s", seed, name)
		}
	}
}

func TestSimulatedSettingsAreChecked(t *testing.T) {
	for _, setting := range []string{"FOVEA_SIM_CAPABILITY=nine", "FOVEA_SIM_VERSION=13", "FOVEA_SIM_DEVICES=-1", "FOVEA_SIM_DEVICES=65",
		"FOVEA_SIM_MEMORY=4T", "FOVEA_SIM_SEED=x"} {
		name, _, _ := strings.Cut(setting, "=")
		got := playSimulated(t, "everything", setting)
		assert.Contains(t, got, "[invalid value]", setting)
		assert.Contains(t, got, name, setting)
	}
}

func TestSimulatedDevices(t *testing.T) {
	got := playSimulated(t, "devices", "FOVEA_SIM_CAPABILITY=7.5", "FOVEA_SIM_DEVICES=2", "FOVEA_SIM_MEMORY=64M", "FOVEA_SIM_VERSION=12.4")
	for _, want := range []string{"12040", "0: 75 67108864 65536", "1: 75 67108864 65536", "ended well"} {
		assert.Contains(t, got, want)
	}
	require.Equal(t, 1, strings.Count(got, "out of device memory"))
}
