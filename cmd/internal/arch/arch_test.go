// Package arch keeps the rules of the house: which package may import which.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/longctx/pipeline/"

// floors are the packages from the top down: imports fall, they never climb. A package is on
// the floor of the longest prefix that it has.
var floors = []struct {
	prefix string
	floor  int
	why    string
}{
	{"cmd/pipeline", 5, "verbs: they join everything"},
	{"cmd/internal/cli", 4, "terminals and exit statuses; no stage prints"},
	{"cmd/internal/report", 4, "HTML; no stage prints"},
	{"cmd/internal/engine", 4, "clusters run the build engine's splits; no stage knows of them"},
	{"cmd/internal/build", 3, "the engine joins the build stages"},
	{"cmd/internal/arch", 5, "this test"},
	{"cmd/study", 5, "a program for experiments: it drives the other one"},
	{"train", 3, "the learner uses the streams of sample"},
	{"sample", 2, "drawing needs datasets only"},
	{"ingest", 2, "build stages meet in datasets, never in each other"},
	{"tokenize", 2, "build stages meet in datasets, never in each other"},
	{"bucket", 2, "build stages meet in datasets, never in each other"},
	{"dataset", 1, "the ground floor"},
}

// leaves know nothing of datasets and may be imported from any floor.
var leaves = []string{
	"tokenize/bpe", "tokenize/template", "tokenize/hf", "ingest/remote", "ingest/synth", "ingest/dedup",
	"train/reward", "train/policy", "train/advantage",
}

func TestImportsFall(t *testing.T) {
	checked := 0
	for pkg, imports := range packages(t) {
		for _, imp := range imports {
			checked++
			if why := forbidden(pkg, imp); why != "" {
				t.Errorf("%s imports %s: %s", pkg, imp, why)
			}
		}
	}
	if checked < 10 {
		t.Fatalf("only %d imports were checked: the test reads the wrong folder", checked)
	}
}

func TestTheRulesForbid(t *testing.T) {
	for _, c := range [][2]string{
		{"dataset", "ingest"},
		{"ingest", "tokenize"},
		{"bucket", "tokenize/bpe/../../ingest"},
		{"tokenize", "cmd/internal/cli"},
		{"tokenize/bpe", "dataset"},
		{"sample/history", "train"},
		{"tokenize/template", "tokenize/bpe"},
	} {
		if forbidden(c[0], path.Clean(c[1])) == "" {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
}

// forbidden says why an import breaks the rules, or nothing.
func forbidden(pkg, imp string) string {
	if leaf := leafOf(pkg); leaf != "" && leafOf(imp) != leaf {
		return leaf + " is a leaf, and a leaf imports nothing of this module"
	}
	if leafOf(imp) != "" {
		return ""
	}
	from, to := floorOf(pkg), floorOf(imp)
	switch {
	case from < 0:
		return "no floor is known for " + pkg + "; give it one in this test"
	case to < 0:
		return "no floor is known for " + imp + "; give it one in this test"
	case top(pkg) == top(imp):
		return ""
	case floors[to].floor >= floors[from].floor:
		return floors[to].prefix + " is not below: " + floors[to].why
	}
	return ""
}

// commands stand beside a leaf and are built by hand: they may import other leaves.
var commands = []string{"tokenize/bpe/speed"}

func leafOf(pkg string) string {
	if slices.Contains(commands, pkg) {
		return ""
	}
	for _, l := range leaves {
		if pkg == l || strings.HasPrefix(pkg, l+"/") {
			return l
		}
	}
	return ""
}

func floorOf(pkg string) int {
	return slices.IndexFunc(floors, func(f struct {
		prefix string
		floor  int
		why    string
	},
	) bool {
		return pkg == f.prefix || strings.HasPrefix(pkg, f.prefix+"/")
	})
}

// top is the folder within which packages may import each other freely.
func top(pkg string) string {
	first, rest, _ := strings.Cut(pkg, "/")
	if first == "cmd" {
		return "cmd/" + rest
	}
	return first
}

// packages reads the imports of this module in every Go file that is not a test.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		for _, s := range f.Imports {
			if imp, ok := strings.CutPrefix(strings.Trim(s.Path.Value, `"`), module); ok && !slices.Contains(imports[pkg], imp) {
				imports[pkg] = append(imports[pkg], imp)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}
