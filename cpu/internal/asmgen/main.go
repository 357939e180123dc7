// Command asmgen writes the assembly of fovea's CPU kernels: with avo that of amd64, from loops that are stated once for all its instruction sets, and that of arm64.
//
//	asmgen [-dir ..] gemm spin vec winograd
//
// The files of package P go to dir/P. It is a module of its own, so that users of fovea do not depend on avo.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// packages lists what is generated: for each package its files, without suffix, and what fills them.
var packages = map[string]map[string]func(*build.Context){
	"gemm": {
		"avx512": gemmAVX512,
		"avx2":   gemmAVX2,
	},
	"lanes": {
		"avx512": lanesAVX512,
		"avx2":   lanesAVX2,
	},
	"spin": {
		"pause": spinPause,
	},
	"vec": {
		"avx512": vecAVX512,
		"avx2":   vecAVX2,
	},
	"winograd": {
		"avx512": winogradAVX512,
		"avx2":   winogradAVX2,
	},
}

// neonPackages lists what fills the file neon of each package.
var neonPackages = map[string]func(*neon){
	"gemm":     gemmNEON,
	"lanes":    lanesNEON,
	"vec":      vecNEON,
	"winograd": winogradNEON,
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("asmgen: ")
	dir := flag.String("dir", "..", "folder that holds the packages' folders")
	flag.Parse()
	for _, name := range flag.Args() {
		if err := generate(*dir, name); err != nil {
			log.Fatal(err)
		}
	}
}

// generate writes F_amd64.s and F_stubs_amd64.go for each file F of the package, and the same for arm64.
func generate(dir, name string) error {
	files, ok := packages[name]
	if !ok {
		return fmt.Errorf("unknown package %q", name)
	}
	for file, fill := range files {
		c := build.NewContext()
		c.ConstraintExpr("amd64,!noasm")
		fill(c)
		f, err := c.Result()
		if err != nil {
			return fmt.Errorf("%s/%s: %w", name, file, err)
		}
		if err := pass.Compile.Execute(f); err != nil {
			return fmt.Errorf("%s/%s: %w", name, file, err)
		}
		cfg := printer.Config{Name: "asmgen", Pkg: name}
		for suffix, p := range map[string]printer.Printer{"_amd64.s": printer.NewGoAsm(cfg), "_stubs_amd64.go": printer.NewStubs(cfg)} {
			text, err := p.Print(f)
			if err != nil {
				return fmt.Errorf("%s/%s: %w", name, file, err)
			}
			if err := os.WriteFile(filepath.Join(dir, name, file+suffix), text, 0o644); err != nil {
				return err
			}
		}
	}
	if fill, ok := neonPackages[name]; ok {
		return generateNEON(dir, name, fill)
	}
	return nil
}
