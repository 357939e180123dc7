//go:build cuda

package cuda

import (
	"errors"
	"fmt"

	"fovea/backend"
	"fovea/cuda/driver"
)

// meanings tells which of the backend's errors an error of the driver is.
var meanings = []struct{ of, is error }{
	{driver.ErrOutOfMemory, backend.ErrMemory},
	{driver.ErrNoDriver, backend.ErrUnsupported},
	{driver.ErrDriverTooOld, backend.ErrUnsupported},
	{driver.ErrNoDevice, backend.ErrUnsupported},
	{driver.ErrNotSupported, backend.ErrUnsupported},
	{driver.ErrModule, backend.ErrUnsupported},
}

// meaning makes an error of the driver wrap the backend's, too.
func meaning(err error) error {
	for _, m := range meanings {
		if errors.Is(err, m.of) && !errors.Is(err, m.is) {
			return fmt.Errorf("%w: %w", m.is, err)
		}
	}
	return err
}

// size writes a number of bytes for a person.
func size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		shift int
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if bytes >= 1<<unit.shift {
			return fmt.Sprintf("%.1f %s", float64(bytes)/float64(int64(1)<<unit.shift), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}
