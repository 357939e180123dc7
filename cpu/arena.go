package cpu

import (
	"slices"
	"sync"
)

// arena is scratch memory. Executables share it, since most of them run one after the
// other: steps of two batch sizes, an evaluation now and then. An Executable that finds
// its arena in use moves to another, see executable.lockArena.
type arena struct {
	memory []byte
	inUse  sync.Mutex // held by the run in progress
	users  int        // Executables; the device's ledger must be held
}

func (a *arena) drop() { a.memory = nil }

// joinArena returns the smallest arena that holds n bytes, or a new one; nil if n is 0.
// The error wraps backend.ErrMemory.
func (d *device) joinArena(n int) (*arena, error) {
	return d.chooseArena(n, func(*arena) bool { return true })
}

// joinFreeArena is joinArena for a run that is to begin: it locks the arena, which
// nobody uses.
func (d *device) joinFreeArena(n int) (*arena, error) {
	a, err := d.chooseArena(n, func(a *arena) bool { return a.inUse.TryLock() })
	return a, err
}

// chooseArena returns the first arena of n bytes or more that fits, by size, or a new
// one that does.
func (d *device) chooseArena(n int, fits func(*arena) bool) (*arena, error) {
	if n == 0 {
		return nil, nil
	}
	d.ledger.Lock()
	defer d.ledger.Unlock()
	i := 0
	for ; i < len(d.arenas); i++ {
		if a := d.arenas[i]; len(a.memory) >= n && fits(a) {
			a.users++
			return a, nil
		}
	}
	memory, err := d.allocate(n)
	if err != nil {
		return nil, err
	}
	a := &arena{memory: memory, users: 1}
	fits(a)
	i, _ = slices.BinarySearchFunc(d.arenas, n, func(a *arena, n int) int { return len(a.memory) - n })
	d.arenas = slices.Insert(d.arenas, i, a)
	d.enter(a, int64(n))
	return a, nil
}

// leaveArena is the opposite of joinArena. The last user frees the memory.
func (d *device) leaveArena(a *arena) {
	if a == nil {
		return
	}
	d.ledger.Lock()
	defer d.ledger.Unlock()
	a.users--
	if a.users == 0 {
		d.arenas = slices.DeleteFunc(d.arenas, func(b *arena) bool { return a == b })
		d.strike(a)
		a.drop()
	}
}
