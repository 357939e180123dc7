//go:build cuda && linux && (amd64 || arm64)

package driver

import (
	"encoding/binary"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests run on any driver: make test-cuda-sim and make test-cuda.

func stream(t *testing.T, c *Context) *Stream {
	t.Helper()
	s, err := c.NewStream()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func allocate(t *testing.T, c *Context, bytes int) Address {
	t.Helper()
	a, err := c.Allocate(bytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Free(a)) })
	return a
}

func pinned(t *testing.T, c *Context, bytes int) *Pinned {
	t.Helper()
	p, err := c.AllocatePinned(bytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func index(t *testing.T, c *Context) *Function {
	t.Helper()
	text, err := os.ReadFile("testdata/vector.ptx")
	require.NoError(t, err)
	m, err := c.Load("vector", text)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	f, err := m.Function("index")
	require.NoError(t, err)
	return f
}

// indexArgs packs the arguments of kernel index.
func indexArgs(y Address, n, offset uint32) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(y))
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, n), offset)
}

func words(b []byte) []uint32 {
	w := make([]uint32, len(b)/4)
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}

func TestDevices(t *testing.T) {
	c := open(t)
	all, err := Devices()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	d := all[0]
	assert.Equal(t, d, c.Device())
	assert.NotEmpty(t, d.Name)
	assert.Regexp(t, "^GPU-[0-9a-f-]{36}$", d.UUID)
	assert.GreaterOrEqual(t, d.Capability, 75)
	assert.Positive(t, d.Multiprocessors)
	assert.GreaterOrEqual(t, d.SharedPerBlock, 48<<10)
	free, total, err := c.MemoryInfo()
	require.NoError(t, err)
	assert.Positive(t, free)
	assert.GreaterOrEqual(t, total, free)
	_, err = Open(len(all))
	require.ErrorIs(t, err, ErrNoDevice)
	require.ErrorIs(t, Use("/nowhere"), ErrInUse)
	t.Logf("%s, compute capability %d, driver %s, CUDA %s", d.Name, d.Capability, Path(), versionString(Version()))
}

func TestMemory(t *testing.T) {
	c := open(t)
	s := stream(t, c)
	a, b := allocate(t, c, 40), allocate(t, c, 40)
	sent := []byte("0123456789abcdefghijklmnopqrstuvwxyzABCD")
	require.NoError(t, s.Upload(a, sent))
	require.NoError(t, s.Fill(b, 0x2e2e2e2e, 40))
	require.NoError(t, s.Copy(b+4, a+3, 7))
	got := make([]byte, 40)
	require.NoError(t, s.Download(got, b))
	assert.Equal(t, "....3456789.............................", string(got))
	require.NoError(t, s.Upload(a, nil))
	require.NoError(t, s.Copy(a, b, 0))

	_, err := c.Allocate(0)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = c.AllocatePinned(-1)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = c.Allocate(1 << 50)
	require.ErrorIs(t, err, ErrOutOfMemory)
	require.ErrorIs(t, s.Fill(a, 0, 3), ErrInvalid)
	require.ErrorIs(t, s.Copy(a, b, -1), ErrInvalid)
}

func TestPinnedCopies(t *testing.T) {
	c := open(t)
	s := stream(t, c)
	a := allocate(t, c, 16)
	p, q := pinned(t, c, 32), pinned(t, c, 32)
	for i := range p.Bytes() {
		p.Bytes()[i] = byte(i)
	}
	require.NoError(t, s.ToDevice(a, p, 8, 16))
	require.NoError(t, s.ToHost(q, 16, a, 16))
	require.NoError(t, s.Synchronize())
	assert.Equal(t, p.Bytes()[8:24], q.Bytes()[16:])
	assert.Len(t, p.Floats(), 8)
	for _, outside := range [][2]int{{-1, 4}, {17, 16}, {33, 0}, {0, -1}} {
		require.ErrorIs(t, s.ToDevice(a, p, outside[0], outside[1]), ErrInvalid)
		require.ErrorIs(t, s.ToHost(p, outside[0], a, outside[1]), ErrInvalid)
	}
}

func TestLaunch(t *testing.T) {
	c := open(t)
	s, f := stream(t, c), index(t, c)
	const n = 1000
	y := allocate(t, c, 4*n)
	require.NoError(t, s.Launch(f, Grid{Grid: [3]uint32{8, 1, 1}, Block: [3]uint32{128, 1, 1}}, indexArgs(y, n, 7)))
	got := make([]byte, 4*n)
	require.NoError(t, s.Download(got, y))
	for i, w := range words(got) {
		require.EqualValues(t, i+7, w)
	}
	info, err := f.Info()
	require.NoError(t, err)
	assert.Equal(t, 75, info.PTXVersion)
	assert.Equal(t, 0, info.Local)
	assert.Positive(t, info.Registers)
	require.NoError(t, f.SetDynamicShared(60<<10))
	require.ErrorIs(t, f.SetDynamicShared(c.Device().SharedPerBlock+1), ErrInvalid)
	require.ErrorIs(t, f.SetDynamicShared(-1), ErrInvalid)
	err = s.Launch(f, Grid{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{2048, 1, 1}}, indexArgs(y, n, 7))
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "function index, grid 1×1×1, block 2048×1×1")
}

func TestModules(t *testing.T) {
	c := open(t)
	_, err := c.Load("bad", []byte("this is no PTX"))
	require.ErrorIs(t, err, ErrModule)
	require.ErrorContains(t, err, "module bad")
	_, err = c.Load("empty", nil)
	require.ErrorIs(t, err, ErrModule)
	_, err = c.Load("zero", []byte(".version 7.8\x00"))
	require.ErrorIs(t, err, ErrModule)
	_, err = c.Load("syntax", []byte(".version 7.8\n.target sm_75\n.address_size 64\n.visible .entry k() { nonsense.u32 %r1; }\n"))
	require.ErrorIs(t, err, ErrModule)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Log, "line 4", "the compiler's log")
	_, err = c.Load("new", []byte(".version 99.0\n.target sm_75\n.address_size 64\n"))
	require.ErrorIs(t, err, ErrModule)
	require.ErrorIs(t, err, ErrDriverTooOld)

	text, err := os.ReadFile("testdata/vector.ptx")
	require.NoError(t, err)
	m, err := c.Load("vector", text)
	require.NoError(t, err)
	_, err = m.Function("absent")
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "function absent of module vector")
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err = m.Function("index")
	require.ErrorIs(t, err, ErrClosed)
}

func TestEvents(t *testing.T) {
	c := open(t)
	s, other := stream(t, c), stream(t, c)
	a := allocate(t, c, 1<<20)
	start, err := c.NewEvent(true)
	require.NoError(t, err)
	end, err := c.NewEvent(true)
	require.NoError(t, err)
	done, err := end.Done()
	require.NoError(t, err)
	assert.True(t, done, "an event that was never recorded is complete")
	require.NoError(t, s.Record(start))
	require.NoError(t, s.Fill(a, 1, 1<<20))
	require.NoError(t, s.Record(end))
	require.NoError(t, other.Wait(end))
	require.NoError(t, other.Fill(a, 2, 1<<20))
	for done = false; !done; {
		done, err = other.Done()
		require.NoError(t, err)
	}
	elapsed, err := end.Elapsed(start)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, elapsed.Nanoseconds(), int64(0))
	got := make([]byte, 4)
	require.NoError(t, other.Download(got, a))
	assert.Equal(t, []uint32{2}, words(got))
	require.NoError(t, start.Close())
	require.NoError(t, end.Close())
	require.NoError(t, end.Close())
	require.ErrorIs(t, s.Record(end), ErrClosed)
	require.ErrorIs(t, end.Synchronize(), ErrClosed)
}

func TestGraph(t *testing.T) {
	c := open(t)
	s, f := stream(t, c), index(t, c)
	const n = 100
	in, out := pinned(t, c, 4), pinned(t, c, 12*n)
	x, y, z := allocate(t, c, 4*n), allocate(t, c, 4*n), allocate(t, c, 4*n)
	g, err := c.NewGraph()
	require.NoError(t, err)
	add := func(node GraphNode, err error) []GraphNode {
		require.NoError(t, err)
		return []GraphNode{node}
	}
	filled := add(g.AddFill(nil, x, 5, 4*n))
	launched := add(g.AddLaunch(nil, f, Grid{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{n, 1, 1}}, indexArgs(y, n, 1)))
	copied := add(g.AddCopy(append(filled, launched...), z, y, 4*n))
	sent := add(g.AddToDevice(copied, y, in, 0, 4))
	add(g.AddToHost(sent, out, 0, x, 4*n))
	add(g.AddToHost(sent, out, 4*n, y, 4*n))
	add(g.AddToHost(sent, out, 8*n, z, 4*n))
	_, err = g.AddCopy(nil, x, y, 0)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = g.AddFill(nil, x, 0, 6)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = g.AddToHost(nil, out, 0, x, 12*n+1)
	require.ErrorIs(t, err, ErrInvalid)
	exec, err := g.Instantiate()
	require.NoError(t, err)
	require.NoError(t, g.Close())
	_, err = g.Instantiate()
	require.ErrorIs(t, err, ErrClosed)
	for run := range uint32(3) {
		binary.LittleEndian.PutUint32(in.Bytes(), 100+run)
		require.NoError(t, s.Run(exec))
		require.NoError(t, s.Synchronize())
		got := words(out.Bytes())
		for i := range uint32(n) {
			first := i + 1
			if i == 0 {
				first = 100 + run
			}
			require.Equal(t, []uint32{5, first, i + 1}, []uint32{got[i], got[n+i], got[2*n+i]})
		}
	}
	require.NoError(t, exec.Close())
	require.NoError(t, exec.Close())
	require.ErrorIs(t, s.Run(exec), ErrClosed)
}

func TestManyGoroutines(t *testing.T) {
	c := open(t)
	f := index(t, c)
	var wait sync.WaitGroup
	for g := range uint32(8) {
		s, y := stream(t, c), allocate(t, c, 400)
		wait.Go(func() {
			got := make([]byte, 400)
			for i := range uint32(10) {
				assert.NoError(t, s.Launch(f, Grid{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{100, 1, 1}}, indexArgs(y, 100, g+i)))
				assert.NoError(t, s.Download(got, y))
				assert.Equal(t, g+i+99, words(got)[99])
			}
		})
	}
	wait.Wait()
}

func TestClosed(t *testing.T) {
	c := open(t)
	second, err := Open(0)
	require.NoError(t, err)
	s, err := second.NewStream()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Synchronize(), ErrClosed)
	require.ErrorIs(t, s.Upload(0, []byte{1}), ErrClosed)
	_, err = s.Done()
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, second.Close())
	require.NoError(t, second.Close())
	_, err = second.Allocate(1)
	require.ErrorIs(t, err, ErrClosed)
	_, err = second.NewStream()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, second.Synchronize(), ErrClosed)
	require.NoError(t, c.Synchronize(), "the primary context is held by the first still")
}
