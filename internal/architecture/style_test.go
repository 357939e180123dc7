package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file that is longer has two subjects.
const (
	maxLines     = 500
	maxTestLines = 800
)

func TestFilesAreShort(t *testing.T) {
	for _, f := range goFiles(t) {
		limit := maxLines
		if f.test() {
			limit = maxTestLines
		}
		if n := strings.Count(f.text, "\n"); !f.generated {
			assert.LessOrEqual(t, n, limit, "%s has %d lines", f.path, n)
		}
	}
}

func TestPackagesAreNamedAfterWhatTheyHold(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, name := range []string{f.ast.Name.Name, path.Base(f.dir)} {
			assert.NotRegexp(t, `^(utils?|commons?|helpers?|misc)(_test)?$`, name, f.path)
		}
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		if !f.test() {
			documented[f.dir] = documented[f.dir] || f.ast.Doc != nil
		}
	}
	for dir, ok := range documented {
		assert.True(t, ok, "package %s has no doc comment", dir)
	}
}

func TestExportedIdentifiersAreDocumented(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test() || f.generated {
			continue
		}
		for _, n := range undocumented(f.ast) {
			assert.Fail(t, "no doc comment", "%s %s", f.at(n), n.Name)
		}
	}
}

// TestUndocumented proves that a missing comment is seen.
func TestUndocumented(t *testing.T) {
	const text = `package p
type A struct{}
func (A) M() {}
func (*G[T]) N() {}
func (A) String() string { return "" }
func (hidden) K() {}
// Types.
type (
	B int
	C int // of some kind
)
// Numbers.
const (
	D = 1
	E = 2
)
var F int
// H has a comment.
func H() {}
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.ParseComments)
	require.NoError(t, err)
	var names []string
	for _, id := range undocumented(file) {
		names = append(names, id.Name)
	}
	assert.Equal(t, []string{"A", "M", "N", "B", "F"}, names)
}

// wellKnown are methods that say by their name alone what they do, because an
// interface of the standard library defines it.
var wellKnown = []string{"String", "Error", "Unwrap", "Len", "Less", "Swap"}

// undocumented lists the exported identifiers of a file without a doc comment of
// their own or, for constants and variables, one beside them or on their group.
func undocumented(file *ast.File) []*ast.Ident {
	var found []*ast.Ident
	need := func(id *ast.Ident, comments ...*ast.CommentGroup) {
		if id.IsExported() && !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c != nil }) {
			found = append(found, id)
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil && (!receiver(d).IsExported() || slices.Contains(wellKnown, d.Name.Name)) {
				continue
			}
			need(d.Name, d.Doc)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					group := d.Doc
					if d.Lparen != token.NoPos {
						group = nil // the group's comment is about none of its types
					}
					need(s.Name, s.Doc, s.Comment, group)
				case *ast.ValueSpec:
					for _, id := range s.Names {
						need(id, s.Doc, s.Comment, d.Doc)
					}
				}
			}
		}
	}
	return found
}

// receiver returns the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) *ast.Ident {
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x
		default:
			panic("BUG: receiver of an unknown form")
		}
	}
}

// registry matches the names of hosts that serve packages. What is fetched, and
// from where, is the business of the go command and its settings.
var registry = regexp.MustCompile(`(?i)\b(?:(?:proxy|sum|index)\.golang|(?:pypi|pythonhosted|npmjs|crates|registry\.[a-z]+)\.(?:org|io|com)|(?:deb|security|ftp)\.debian)\b`)

func TestNoRegistryIsNamed(t *testing.T) {
	hosts := []string{}
	for _, key := range []string{"GOPROXY", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY"} {
		for _, h := range regexp.MustCompile(`//(?:[^@/,|]*@)?([^/,|:]+)`).FindAllStringSubmatch(os.Getenv(key), -1) {
			hosts = append(hosts, h[1])
		}
	}
	walk(t, func(name, file string) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if !utf8.Valid(text) {
			return
		}
		assert.Empty(t, registry.FindString(string(text)), name)
		for _, h := range hosts {
			assert.NotContains(t, string(text), h, name)
		}
	})
}
