package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "fovea"

// goFile is a Go file of the repository, whatever its build constraints.
type goFile struct {
	path      string // from the root, with slashes
	dir       string
	text      string
	fset      *token.FileSet
	ast       *ast.File
	generated bool
	nested    bool // in a module of its own
}

func (f goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f goFile) at(n ast.Node) string {
	p := f.fset.Position(n.Pos())
	return f.path + ":" + strconv.Itoa(p.Line)
}

// root returns the folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	return dir
}

// walk calls visit for every file of the repository, by its path from the root;
// hidden folders and those that git ignores are left out.
func walk(t *testing.T, visit func(name, file string)) {
	t.Helper()
	top := root(t)
	require.NoError(t, filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.IsDir() {
			switch name {
			case ".git", "runs", "bin", "dist":
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			visit(name, file)
		}
		return nil
	}))
}

// goFiles parses every Go file but those of testdata folders.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	nested := map[string]bool{}
	walk(t, func(name, _ string) {
		if dir := path.Dir(name); path.Base(name) == "go.mod" && dir != "." {
			nested[dir] = true
		}
	})
	var files []goFile
	walk(t, func(name, file string) {
		if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
			return
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		f := goFile{path: name, dir: path.Dir(name), text: string(text), fset: token.NewFileSet()}
		f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		f.generated = ast.IsGenerated(f.ast)
		for dir := f.dir; dir != "."; dir = path.Dir(dir) {
			f.nested = f.nested || nested[dir]
		}
		files = append(files, f)
	})
	require.NotEmpty(t, files)
	return files
}
