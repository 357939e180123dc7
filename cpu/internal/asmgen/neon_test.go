package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWordsAreTheirMnemonics assembles the comments of all encoded instructions and compares to the words, where the GNU assembler for arm64 is found.
func TestWordsAreTheirMnemonics(t *testing.T) {
	const tools = "aarch64-linux-gnu-"
	if _, err := exec.LookPath(tools + "as"); errors.Is(err, exec.ErrNotFound) {
		t.Skip("no aarch64-linux-gnu-as, which Debian has in binutils-aarch64-linux-gnu")
	}
	words := map[string]string{} // by mnemonic
	for _, fill := range neonPackages {
		n := &neon{}
		fill(n)
		for _, m := range regexp.MustCompile(`WORD +\$(0x[0-9a-f]{8}) // (.*)`).FindAllStringSubmatch(n.text.String(), -1) {
			if other, ok := words[m[2]]; ok && other != m[1] {
				t.Errorf("%q is %s and %s", m[2], m[1], other)
			}
			words[m[2]] = m[1]
		}
	}
	var mnemonics []string
	for m := range words {
		mnemonics = append(mnemonics, m)
	}

	dir := t.TempDir()
	source, object, binaryFile := filepath.Join(dir, "words.s"), filepath.Join(dir, "words.o"), filepath.Join(dir, "words")
	if err := os.WriteFile(source, []byte(strings.Join(mnemonics, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, command := range []*exec.Cmd{
		exec.Command(tools+"as", "-o", object, source),
		exec.Command(tools+"objcopy", "-O", "binary", "-j", ".text", object, binaryFile),
	} {
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	code, err := os.ReadFile(binaryFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(mnemonics) == 0 || len(code) != 4*len(mnemonics) {
		t.Fatalf("%d bytes of code from %d instructions", len(code), len(mnemonics))
	}
	for i, m := range mnemonics {
		if want := fmt.Sprintf("0x%08x", binary.LittleEndian.Uint32(code[4*i:])); words[m] != want {
			t.Errorf("%q is written as %s, the assembler has %s", m, words[m], want)
		}
	}
}
