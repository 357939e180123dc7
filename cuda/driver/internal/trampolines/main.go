// Trampolines writes trampolines.c: for each function that cuda.h declares one that calls the driver's, through a table.
//
//	trampolines cuda.h trampolines.c
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: trampolines cuda.h trampolines.c")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(header, output string) error {
	text, err := os.ReadFile(header)
	if err != nil {
		return err
	}
	functions, err := Parse(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", header, err)
	}
	return os.WriteFile(output, Generate(functions), 0o644)
}
