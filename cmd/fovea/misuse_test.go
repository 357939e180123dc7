package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExitCodesAndMessages(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	path := filepath.Join(dir, "run", "model.safetensors")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	files := map[string]string{
		"truncated.safetensors": string(whole[:len(whole)/2]),
		"empty.safetensors":     "",
		"hostile.safetensors":   "\xff\xff\xff\xff\xff\xff\xff\x7f{}", // a header of 9 exabytes
		"alien.safetensors":     "\x02\x00\x00\x00\x00\x00\x00\x00{}", // no metadata
		"text.png":              "this is no picture",
		"file":                  "in the way of a folder",
		// The length of the text stays, as the header's is written before it.
		"huge.safetensors":    strings.Replace(string(whole), `\"input\":[28,28,1]`, `\"input\":[99999,9]`, 1),
		"foreign.safetensors": strings.Replace(string(whole), `\"digits\"`, `\"cifar9\"`, 1),
		"large.safetensors":   strings.Replace(string(whole), `\"units\":128`, `\"units\":1e9`, 1),
	}
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "pets", "cat"), 0o777))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "full"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "full", "diary.txt"), nil, 0o666))

	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"tarin", exitMisuse, `unknown command "tarin"`},
		{"--nonsense", exitMisuse, "unknown flag: --nonsense"},
		{"train --learning-rate 1", exitMisuse, "unknown flag: --learning-rate"},
		{"train digits", exitMisuse, "no arguments"},
		{"train --model resnet9000", exitMisuse, `"resnet9000"`},
		{"train --optimizer sgdd", exitMisuse, "sgd, momentum"},
		{"train --loss hinge2", exitMisuse, `"hinge2"`},
		{"train --schedule exponential", exitMisuse, "constant or cosine"},
		{"train --backend abacus", exitMisuse, "unknown backend"},
		{"train --backend=", exitMisuse, "expected auto or one of"},
		{"train --backend cpu:", exitMisuse, `"cpu:"`},
		{"train --backend reference:0", exitMisuse, "expected reference"},
		{"train --backend cpu:mmx", exitFailed, "mmx"}, // another machine may have it
		{"train --data cifar", exitMisuse, "digits, mnist"},
		{"train --lr NaN", exitMisuse, "--lr is NaN"},
		{"train --lr -1", exitMisuse, "--lr is -1"},
		{"train --lr +Inf", exitMisuse, "--lr is +Inf"},
		{"train --lr fast", exitMisuse, "fast"},
		{"train --weight-decay NaN", exitMisuse, "--weight-decay is NaN"},
		{"train --batch 0", exitMisuse, "--batch is 0"},
		{"train --batch -5", exitMisuse, "--batch is -5"},
		{"train --epochs -1", exitMisuse, "--epochs is -1"},
		{"train --epochs 1e3", exitMisuse, "1e3"},
		{"train --patience -1", exitMisuse, "--patience is -1"},
		{"train --threads -1", exitMisuse, "--threads is -1"},
		{"train --seed -1", exitMisuse, "-1"},
		{"train --data mnist:nowhere", exitFailed, "nowhere"},
		{"train --data mnist:", exitMisuse, `"mnist:" names no folder, expected mnist[:DIR]`},
		{"train --data folder", exitMisuse, `"folder" names no folder, expected folder:DIR`},
		{"train --data folder:", exitMisuse, `"folder:" names no folder, expected folder:DIR`},
		{"train --data digits:", exitMisuse, `"digits:" names a folder, expected digits`},
		{"train --data :run", exitMisuse, "expected one of digits, mnist[:DIR]"},
		{"train --data=", exitMisuse, "expected one of digits, mnist[:DIR]"},
		{"train --data folder:nowhere", exitFailed, "nowhere"},
		{"train --data folder:pets", exitFailed, "pets"},
		{"train --data digits:here", exitMisuse, `"digits:here" names a folder, expected digits`},
		{"train --out run", exitFailed, "holds a run already"},
		{"train --out full", exitFailed, "not empty"},
		{"train --out file", exitFailed, "file"},
		{"train --out file/run", exitFailed, "file"},
		{"train --loss kl", exitMisuse, `"kl"`},
		{"train --model mlp --lr 1e30 --optimizer sgd", exitFailed, "no longer a finite number"},
		{"eval", exitMisuse, "accepts 1 arg"},
		{"eval run run", exitMisuse, "accepts 1 arg"},
		{"eval run --part exam", exitMisuse, `"exam"`},
		{"eval run --batch 0", exitMisuse, "--batch is 0"},
		{"eval run --data cifar", exitMisuse, "digits, mnist"},
		{"eval run --data mnist:", exitMisuse, `"mnist:" names no folder, expected mnist[:DIR]`},
		{"eval foreign.safetensors", exitFailed, "expected one of digits"}, // the file's mistake, not the caller's
		{"eval nowhere", exitFailed, "nowhere"},
		{"eval pets", exitFailed, "holds no model.safetensors"},
		{"eval truncated.safetensors", exitFailed, "truncated.safetensors"},
		{"eval empty.safetensors", exitFailed, "empty.safetensors"},
		{"eval hostile.safetensors", exitFailed, "hostile.safetensors"},
		{"eval alien.safetensors", exitFailed, "no model of fovea"},
		{"eval huge.safetensors", exitFailed, "huge.safetensors"},
		{"eval large.safetensors", exitFailed, "large.safetensors"},
		{"predict run", exitMisuse, "requires at least 2 arg"},
		{"predict run text.png --top 0", exitMisuse, "--top is 0"},
		{"predict run text.png", exitFailed, "text.png"},
		{"predict truncated.safetensors text.png", exitFailed, "truncated.safetensors"},
		{"devices all", exitMisuse, "unknown command"},
		{"data lsit", exitMisuse, `unknown command "lsit"`},
		{"data info", exitMisuse, "accepts 1 arg"},
		{"data info nothing", exitMisuse, "nothing"},
		{"data info mnist:nowhere", exitFailed, "nowhere"},
		{"data info mnist:", exitMisuse, `"mnist:" names no folder, expected mnist[:DIR]`},
		{"data fetch mnist:", exitMisuse, `"mnist:"`},
		{"data fetch everything", exitMisuse, "everything"},
	} {
		o := fovea(t, dir, strings.Fields(c.args)...)
		assert.Equal(t, c.code, o.code, "fovea %s\n%s%s", c.args, o.stdout, o.stderr)
		assert.Contains(t, o.stderr, c.says, "fovea %s", c.args)
		assert.True(t, strings.HasPrefix(o.stderr, "fovea: "), "fovea %s\n%s", c.args, o.stderr)
		assert.LessOrEqual(t, strings.Count(o.stderr, "\n"), 2, "fovea %s: no usage dump\n%s", c.args, o.stderr)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "full"))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "a refused folder stays as it was")
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	requireSameModel(t, whole, got)
}

func TestErrorsAreEventsToo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range []string{"train --json --lr NaN", "train --bogus --json", "eval nowhere --json", "predict nowhere nothing --json"} {
		o := fovea(t, dir, strings.Fields(args)...)
		e := o.last(t)
		assert.Equal(t, "error", e["event"], args)
		assert.NotEmpty(t, e["message"], args)
		assert.Contains(t, o.stderr, e["message"], args)
	}
}

func TestFailedRunsLeaveNoFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fovea(t, dir, "train", "--loss", "kl-divergence", "--data", "mnist:nowhere")
	fovea(t, dir, "train", "--lr", "NaN")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("permissions do not bind this user")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o555))
	o := fovea(t, dir, "train")
	assert.Equal(t, exitFailed, o.code)
	assert.Contains(t, o.stderr, "permission denied")
}

// /proc takes no new folders, not even root's.
func TestOutWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	o := fovea(t, t.TempDir(), "train", "--out", "/proc/run")
	assert.Equal(t, exitFailed, o.code)
	assert.Contains(t, o.stderr, "/proc/run")
}

func TestFullStandardOutputIsAnError(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full")
	}
	defer full.Close()
	cmd := command(t, t.TempDir(), small()...)
	cmd.Stdout = full
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.Error(t, cmd.Run())
	assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	assert.Contains(t, stderr.String(), "standard output")
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range []string{"", "--help", "help train", "train --help", "data", "completion bash"} {
		assert.NotEmpty(t, good(t, dir, strings.Fields(args)...).stdout, args)
	}
	assert.Contains(t, good(t, dir, "--version").stdout, runtime.Version())
}
