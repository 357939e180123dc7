package main

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// versions of the PTX language, in order. 6.3 is the first that knows sm_75.
var versions = []string{"6.3", "6.4", "6.5", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "7.8", "8.0", "8.1", "8.2", "8.3", "8.4", "8.5", "8.6", "8.7", "8.8", "9.0"}

var (
	versionLine = regexp.MustCompile(`(?m)^\.version .*$`)
	locLine     = regexp.MustCompile(`^(\s*\.loc\s+\d+\s+\d+\s+\d+)`)
	fileLine    = regexp.MustCompile(`^\s*\.file\s+(\d+)\s+"([^"]*)"`)
)

// stated returns the PTX with another version.
func stated(ptx, version string) string {
	return versionLine.ReplaceAllLiteralString(ptx, ".version "+version)
}

// clean takes out of nvcc's PTX what depends on the machine or is of no use: the
// compiler's head comment, absolute paths, inlining information (which makes
// ptxas 11.8 crash for sm_90) and the debugging sections behind it. Line numbers
// stay: they let a fault be found in the source.
func clean(ptx, dir string) (string, error) {
	var out []string
	lines := strings.Split(ptx, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], " \t\r")
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "//"):
			continue
		case strings.HasPrefix(trimmed, `.pragma "used_bytes_mask`):
			// A hint about vector loads that are used in part; it needs PTX 8.3.
			continue
		case strings.HasPrefix(trimmed, ".loc"):
			m := locLine.FindString(line)
			if m == "" {
				return "", fmt.Errorf("line %d is no .loc as expected: %s", i+1, line)
			}
			line = m
		case strings.HasPrefix(trimmed, ".file"):
			m := fileLine.FindStringSubmatch(line)
			if m == nil {
				return "", fmt.Errorf("line %d is no .file as expected: %s", i+1, line)
			}
			line = fmt.Sprintf("\t.file\t%s \"%s\"", m[1], relative(m[2], dir))
		case strings.HasPrefix(trimmed, ".section") && strings.Contains(trimmed, ".debug_"):
			for ; i < len(lines) && strings.TrimSpace(lines[i]) != "}"; i++ {
			}
			if i == len(lines) {
				return "", fmt.Errorf("section %s has no end", trimmed)
			}
			continue
		}
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	text := strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n"
	if n := len(versionLine.FindAllString(text, -1)); n != 1 {
		return "", fmt.Errorf("%d lines begin with .version, expected one", n)
	}
	return text, nil
}

// relative returns the name of a source from the root of the repository, or of
// one of the compiler's headers from its include folder.
func relative(file, dir string) string {
	file = strings.ReplaceAll(file, `\`, "/")
	if i := strings.LastIndex(file, "/include/"); i >= 0 {
		return "nvcc/" + file[i+len("/include/"):]
	}
	return path.Join(path.Base(dir), path.Base(file))
}
