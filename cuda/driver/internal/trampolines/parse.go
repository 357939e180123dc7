package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Function is a prototype of cuda.h.
type Function struct {
	Name   string   // as sources call it
	Symbol string   // as the driver exports it
	Types  []string // of the parameters
}

var (
	prototype = regexp.MustCompile(`(?s)\bCUresult (cu\w+)\(([^;]*)\);`)
	versioned = regexp.MustCompile(`(?m)^#define (cu\w+) (cu\w+)$`)
	comment   = regexp.MustCompile(`(?m)//.*$`)
)

// Parse reads the prototypes of a header that keeps to the rules in fovea's cuda.h.
func Parse(header string) ([]Function, error) {
	header = comment.ReplaceAllString(header, "")
	symbols := map[string]string{}
	for _, m := range versioned.FindAllStringSubmatch(header, -1) {
		symbols[m[1]] = m[2]
	}
	var functions []Function
	seen := map[string]bool{}
	for _, m := range prototype.FindAllStringSubmatch(header, -1) {
		f := Function{Name: m[1], Symbol: m[1]}
		if s, ok := symbols[f.Name]; ok {
			f.Symbol = s
			delete(symbols, f.Name)
		}
		if seen[f.Symbol] {
			return nil, fmt.Errorf("%s is declared twice", f.Symbol)
		}
		seen[f.Symbol] = true
		if parameters := strings.Join(strings.Fields(m[2]), " "); parameters != "void" {
			f.Types = strings.Split(parameters, ", ")
		}
		functions = append(functions, f)
	}
	if len(functions) == 0 {
		return nil, errors.New("no prototypes found")
	}
	for name, symbol := range symbols {
		return nil, fmt.Errorf("%s is defined as %s and not declared", name, symbol)
	}
	return functions, nil
}
