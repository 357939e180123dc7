package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// errStalled is the cause given to a transfer that stopped moving.
var errStalled = errors.New("transfer stalled")

// maxAttempts is how often one mirror is asked for one file. A further attempt is made only where it has something new to
// try: more of the file to come, or a fresh start after a continued file proved corrupt.
const maxAttempts = 5

// fromMirror downloads one file to NAME.part, checks it and renames it. What has arrived stays in NAME.part on failure, and
// the next call goes on from there, at this mirror or another: a wrong mixture fails the check, and is then fetched afresh.
func (f *fetcher) fromMirror(ctx context.Context, mirror string, file remoteFile) error {
	final := filepath.Join(f.dir, file.name)
	part := final + ".part"
	for attempt := 1; ; attempt++ {
		before := fileSize(part)
		err := f.transfer(ctx, mirror+file.name, part, file)
		if ctx.Err() != nil {
			return fmt.Errorf("%s%s: %w", mirror, file.name, context.Cause(ctx))
		}
		again := false
		if err != nil {
			again = fileSize(part) > before
		} else {
			if err = file.verify(part); err == nil {
				return os.Rename(part, final)
			}
			if err := removePart(part); err != nil {
				return err
			}
			again = before > 0
		}
		if !again || attempt == maxAttempts {
			return fmt.Errorf("%s%s: %w", mirror, file.name, err)
		}
	}
}

// transfer appends to part what it lacks of the file at url.
func (f *fetcher) transfer(ctx context.Context, url, part string, file remoteFile) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.stall, func() { cancel(errStalled) })
	defer watchdog.Stop()
	defer func() {
		if err != nil && errors.Is(context.Cause(ctx), errStalled) {
			err = fmt.Errorf("nothing received for %v: %w", f.stall, errStalled)
		}
	}()

	have := fileSize(part)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	response, err := f.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()

	switch response.StatusCode {
	case http.StatusOK: // from the beginning, asked or not
		have = 0
	case http.StatusPartialContent:
		var first int64
		if _, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-", &first); err != nil || first != have {
			return fmt.Errorf("answered with range %q, expected bytes from %d", response.Header.Get("Content-Range"), have)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		if have > 0 {
			return nil // nothing is missing, or the part is wrong: the check will tell
		}
		fallthrough
	default:
		return fmt.Errorf("answered %s", response.Status)
	}

	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if have == 0 {
		flags |= os.O_TRUNC
	}
	out, err := os.OpenFile(part, flags, 0o666)
	if err != nil {
		return err
	}
	err = f.copyBody(out, response, file, have, watchdog)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// copyBody writes the body to out, reporting progress and putting the watchdog off with every piece.
func (f *fetcher) copyBody(out io.Writer, response *http.Response, file remoteFile, done int64, watchdog *time.Timer) error {
	total := int64(0)
	if response.ContentLength >= 0 {
		total = done + response.ContentLength
	}
	// gzip does not make a file longer but for its framing; a server that sends more is not sending the file.
	limit := file.size + file.size/1000 + 1024
	buffer := make([]byte, 128<<10)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			watchdog.Reset(f.stall)
			if done += int64(n); done > limit {
				return fmt.Errorf("sent more than %d bytes: %w", limit, ErrTooLarge)
			}
			if _, err := out.Write(buffer[:n]); err != nil {
				return err
			}
			f.report(file, done, total)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fileSize returns the size of a file, 0 where there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
