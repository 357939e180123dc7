//go:build cuda

package cuda

import (
	"errors"
	"math/bits"
	"sync"

	"fovea/cuda/driver"
)

// staging is the way of host data to the device and back: a ring of pinned memory,
// whose pieces are copied in the order of the stream. What has been put into the ring
// need not stay where it was, and the next batch goes in while a step runs.
type staging struct {
	context *driver.Context
	stream  *driver.Stream
	most    int // bytes that the ring may have; larger writes go in pieces

	mutex  sync.Mutex
	memory *driver.Pinned // nil before first use
	size   int
	next   int             // where the next piece goes if it fits
	pieces []piece         // on their way, oldest first
	idle   []*driver.Event // not in use
}

// piece is a part of the ring that the device uses until the event is complete.
type piece struct {
	begin, end int
	done       *driver.Event
}

const (
	leastStaging = 1 << 20
	mostStaging  = 128 << 20
	stagingGrain = 256
	mostPieces   = 256
)

// write copies data to the device, after all work in the stream and before all that
// is queued later. It returns when data has been read, and waits only for room.
func (s *staging) write(to driver.Address, data []byte) error {
	return s.inPieces(len(data), func(at, begin, end int) error {
		copy(s.memory.Bytes()[at:], data[begin:end])
		return s.queue(at, end-begin, func() error { return s.stream.ToDevice(to+driver.Address(begin), s.memory, at, end-begin) })
	})
}

// read copies data from the device, behind all work in the stream, and waits for it.
func (s *staging) read(data []byte, from driver.Address) error {
	return s.inPieces(len(data), func(at, begin, end int) error {
		err := s.queue(at, end-begin, func() error { return s.stream.ToHost(s.memory, at, from+driver.Address(begin), end-begin) })
		for err == nil && len(s.pieces) > 0 { // all others lie before it in the stream
			err = s.retire()
		}
		if err == nil {
			copy(data[begin:end], s.memory.Bytes()[at:])
		}
		return err
	})
}

// inPieces has so many bytes transferred, each time as many as half of the ring holds:
// those from begin to end through the room at at.
func (s *staging) inPieces(bytes int, transfer func(at, begin, end int) error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.grow(2 * bytes); err != nil {
		return err
	}
	for begin, end := 0, 0; begin < bytes; begin = end {
		end = min(begin+s.size/2, bytes)
		at, err := s.reserve((end - begin + stagingGrain - 1) / stagingGrain * stagingGrain)
		if err != nil {
			return err
		}
		if err := transfer(at, begin, end); err != nil {
			return err
		}
	}
	return nil
}

// grow sees to it that the ring has so many bytes, within its bounds. A smaller one
// that is there already will do where there is no memory for more.
func (s *staging) grow(bytes int) error {
	want := max(leastStaging, min(1<<bits.Len(uint(bytes-1)), s.most))
	if want <= s.size {
		return nil
	}
	memory, err := s.context.AllocatePinned(want)
	if err != nil {
		if s.memory != nil && errors.Is(err, driver.ErrOutOfMemory) {
			return nil
		}
		return err
	}
	if err := s.drop(); err != nil {
		return errors.Join(err, memory.Close())
	}
	s.memory, s.size, s.next = memory, want, 0
	return nil
}

// reserve finds room for n bytes, which are at most half of the ring.
func (s *staging) reserve(n int) (at int, err error) {
	for {
		if at, ok := s.room(n); ok && len(s.pieces) < mostPieces {
			return at, nil
		}
		if err := s.retire(); err != nil {
			return 0, err
		}
	}
}

// room tells where n bytes fit now.
func (s *staging) room(n int) (at int, ok bool) {
	if len(s.pieces) == 0 {
		return 0, true
	}
	oldest := s.pieces[0].begin
	switch {
	case s.next > oldest && s.next+n <= s.size:
		return s.next, true
	case s.next > oldest:
		return 0, n <= oldest
	}
	return s.next, s.next+n <= oldest
}

// retire waits for the oldest piece.
func (s *staging) retire() error {
	oldest := s.pieces[0]
	if err := oldest.done.Synchronize(); err != nil {
		return err
	}
	s.pieces = append(s.pieces[:0], s.pieces[1:]...)
	s.idle = append(s.idle, oldest.done)
	return nil
}

// queue queues a copy between the device and n bytes of the ring.
func (s *staging) queue(at, n int, copying func() error) error {
	e, err := s.event()
	if err != nil {
		return err
	}
	err = copying()
	if err == nil {
		err = s.stream.Record(e)
	}
	if err != nil {
		// Nobody knows when the device is done with the piece, unless all is done.
		s.idle = append(s.idle, e)
		return errors.Join(err, s.stream.Synchronize())
	}
	s.next = (at + n + stagingGrain - 1) / stagingGrain * stagingGrain
	s.pieces = append(s.pieces, piece{at, s.next, e})
	return nil
}

func (s *staging) event() (*driver.Event, error) {
	if n := len(s.idle); n > 0 {
		e := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return e, nil
	}
	return s.context.NewEvent(false)
}

// drop waits for all pieces and gives the ring back.
func (s *staging) drop() error {
	for len(s.pieces) > 0 {
		if err := s.retire(); err != nil {
			return err
		}
	}
	if s.memory == nil {
		return nil
	}
	return s.memory.Close()
}

// close gives everything back, when the stream is idle.
func (s *staging) close() error {
	for _, p := range s.pieces {
		s.idle = append(s.idle, p.done)
	}
	s.pieces = nil
	errs := []error{s.drop()}
	for _, e := range s.idle {
		errs = append(errs, e.Close())
	}
	s.idle = nil
	return errors.Join(errs...)
}
