package ingest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func planNames(t *testing.T, paths ...string) []string {
	t.Helper()
	var o Options
	for _, p := range paths {
		o.Inputs = append(o.Inputs, Input{Path: p})
	}
	plan, err := NewPlan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, in := range plan.Inputs {
		names = append(names, in.Name)
	}
	return names
}

func TestInputNamesDoNotDependOnWhereTheFilesLie(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/x.jsonl", "a/deep/y.jsonl", "b/x.jsonl", "b[1].jsonl", "c/a/x.jsonl"} {
		write(t, dir, name, []byte(good))
	}
	path := func(p string) string { return filepath.Join(dir, filepath.FromSlash(p)) }
	for _, test := range []struct {
		name     string
		patterns []string
		want     []string
	}{
		{"a file is named by its base name", []string{"a/x.jsonl"}, []string{"x.jsonl"}},
		{"a pattern's files are named from its folder, sorted", []string{"a/**/*.jsonl"}, []string{"deep/y.jsonl", "x.jsonl"}},
		{"a file matched twice is taken once", []string{"a/x.jsonl", "a/*.jsonl"}, []string{"x.jsonl"}},
		{"equal names get the folder in front", []string{"a/*.jsonl", "b/*.jsonl"}, []string{"a/x.jsonl", "b/x.jsonl"}},
		{"and then a number", []string{"a/*.jsonl", "c/a/*.jsonl"}, []string{"a/x.jsonl#1", "a/x.jsonl#2"}},
		{"a file whose name looks like a pattern is a file", []string{"b[1].jsonl"}, []string{"b[1].jsonl"}},
		{"alternatives", []string{"{a,b}/x.jsonl"}, []string{"a/x.jsonl", "b/x.jsonl"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var patterns []string
			for _, p := range test.patterns {
				patterns = append(patterns, path(p))
			}
			if diff := cmp.Diff(test.want, planNames(t, patterns...)); diff != "" {
				t.Error(diff)
			}
			t.Chdir(dir)
			if diff := cmp.Diff(test.want, planNames(t, test.patterns...)); diff != "" {
				t.Errorf("from another current directory: %s", diff)
			}
		})
	}
}

func TestAnInputThatCannotBePlannedSaysWhy(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "docs.jsonl", []byte(good))
	write(t, dir, "bad.parquet", []byte("no table"))
	write(t, dir, "cut.parquet", []byte("PAR1 and nothing that follows"))
	write(t, dir, "bad.jsonl.gz", []byte(good))
	secret := write(t, dir, "secret.jsonl", []byte(good))
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, test := range []struct {
		name, want string
		in         Input
	}{
		{"missing path", `input "none.jsonl": no such file or directory`, Input{Path: "none.jsonl"}},
		{"pattern without a match", `input "*.json" matches no files`, Input{Path: "*.json"}},
		{"folder", `input "." is a folder; name its files, such as "**/*.jsonl"`, Input{Path: "."}},
		{"bad pattern", `input "[a": bad pattern`, Input{Path: "[a"}},
		{"unreadable file", `permission denied`, Input{Path: "secret.jsonl"}},
		{"unknown format", `unknown format "qmsun"; did you mean "qmsum"? Formats are auto, 2wikimultihopqa, `, Input{Path: "docs.jsonl", Format: "qmsun"}},
		{"no Parquet at all", `named .parquet, but its first bytes are not those of parquet`, Input{Path: "bad.parquet"}},
		{"Parquet without footer", `corrupt Parquet file: it does not end with a footer`, Input{Path: "cut.parquet"}},
		{"no gzip at all", `named .gz, but its first bytes are not those of gzip`, Input{Path: "bad.jsonl.gz"}},
		{"map of an unknown field", `map: no field "quetsion"`, Input{Path: "docs.jsonl", Map: map[string]string{"quetsion": "q"}}},
		{"map with a bad path", `map: field "question": bad path "a..b"`, Input{Path: "docs.jsonl", Map: map[string]string{"question": "a..b"}}},
		{"map of a format with fields of its own", `takes no map`, Input{Path: "docs.jsonl", Format: "qmsum", Map: map[string]string{"question": "q"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.in.Path == "secret.jsonl" && os.Geteuid() == 0 {
				t.Skip("root reads every file")
			}
			_, err := NewPlan(t.Context(), Options{Inputs: []Input{test.in}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestTheFirstRecordsTellLinesFromOneJSONText(t *testing.T) {
	long := `{"context":"` + strings.Repeat("c", 300) + `","question":"q","answer":1}`
	const list, lines = string(LayoutElements), string(LayoutLines)
	for _, test := range []struct{ name, content, want string }{
		{"a list over many lines", "\n [\n" + good + "\n]\n", list},
		{"a list with a record on its first line", "[" + good + ",\n" + good + "]", list},
		{"a list on one line", bom + "[" + good + "," + good + "]\n", list},
		{"a list on one line that is too long", "[" + long + "]\n", list},
		{"a list that is cut off", "[" + good[:9], list},
		{"the first record in the list is a line", "[\n" + good + "\n" + good, list},
		{"an object of records on one line", `{"a": ` + good + `, "b": ` + good + "}\n", list},
		{"an object of records over many lines", "{\n\"a\": " + good + ",\n\"b\": " + good + "}\n", list},

		{"an object over many lines", "{\n  \"a\": [\n    1\n  ]\n}\n", "error: goes on in the second"},
		{"many of them", "{\r\n\r\n\"a\": 1\r\n}\r\n{\r\n\"a\": 1\r\n}\r\n", "error: goes on in the second"},
		{"a record that ends early, and another", `{"a": 1,` + "\n" + `{"a":`, "error: goes on in the second"},
		{"lines that are lists", "[1]\n[2]\n", "error: its lines are no JSON objects"},

		{"a line that is cut off", good[:9], lines},
		{"a line that is cut off, with an end", "{\n\n", lines},
		{"a line cut off inside a text", `{"a": "b` + "\n" + `{"a": "b` + "\n", lines},
		{"a broken line", "{\n" + good, lines},
		{"broken lines", "{\n{\n{\n" + good, lines},
		{"a list that is one record of many", "[1]\n" + good, lines},
		{"a line of a log", "[INFO] begins\n" + good, lines},
		{"a line that is too long", long + "\n{", lines},
		{"one record", good, lines},
		{"no JSON", "hello\nworld", lines},
		{"blank", " \n\n", lines},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, t.TempDir(), "docs.jsonl", []byte(test.content))
			for _, o := range []Options{
				{Inputs: []Input{{Path: path}}},
				{Inputs: []Input{{Path: path, Format: "qmsum"}}},
				{Inputs: []Input{{Path: path, Map: map[string]string{"question": "q"}}}, SplitBytes: 1},
			} {
				o.MaxRecord = 200
				plan, err := NewPlan(t.Context(), o)
				if want, ok := strings.CutPrefix(test.want, "error: "); ok {
					if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
						t.Errorf("got %v, want %q", err, want)
					}
					continue
				}
				if err != nil || plan.Inputs[0].Layout != Layout(test.want) {
					t.Errorf("got %+v, %v; want %s", plan, err, test.want)
				}
			}
		})
	}
}

func TestAFileNamedTwiceMustBeReadInOneWay(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "docs.jsonl", []byte(good))
	glob := filepath.Join(dir, "*.jsonl")
	for _, test := range []struct {
		name, want string
		a, b       Input
	}{
		{"equal", "", Input{Path: path}, Input{Path: glob, Format: "auto"}},
		{"equal maps", "", Input{Path: path, DataSource: "a", Map: map[string]string{"id": "a"}}, Input{Path: path, DataSource: "a", Map: map[string]string{"id": "a"}}},
		{"format", `named twice, with format "jsonl" and "auto"; `, Input{Path: path, Format: "jsonl"}, Input{Path: glob}},
		{"map", `named twice, with map {id = "a"} and {}; `, Input{Path: path, Map: map[string]string{"id": "a"}}, Input{Path: path}},
		{"all", `named twice, with format "auto" and "qmsum", data source "" and "a"; `, Input{Path: glob}, Input{Path: glob, Format: "qmsum", DataSource: "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan, err := NewPlan(t.Context(), Options{Inputs: []Input{test.a, test.b}})
			switch {
			case test.want == "" && (err != nil || len(plan.Inputs) != 1 || len(plan.Splits) != 1):
				t.Errorf("plan %+v, %v", plan, err)
			case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("input %q: %s", path, test.want))):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAutoNamesTheFamilyOfTheFirstRecords(t *testing.T) {
	for _, test := range []struct{ name, record, want string }{
		{"generic", good, "jsonl"},
		{"nothing readable", "{", "jsonl"},
		{"empty", "", "jsonl"},
		{"qmsum", `{"topic_list":[],"general_query_list":[],"specific_query_list":[],"meeting_transcripts":[]}`, "qmsum"},
		{"hotpotqa", `{"question":"q","answer":"a","context":{"title":["t"],"sentences":[["s"]]}}`, "hotpotqa"},
		{"hotpotqa as published", `{"_id":"1","question":"q","answer":"a","supporting_facts":[["t",0]],"context":[["t",["s"]]]}`, "hotpotqa"},
		{"multihop", `{"question":"q","answer":["a"],"paragraphs":[{"title":"t","text":"s"}]}`, "multihop"},
		{"verl", `{"prompt":[{"role":"user","content":"q"}],"reward_model":{"ground_truth":"1"}}`, "verl"},
		{"a chat", `{"messages":[]}`, "jsonl"},
		{"mixed", `{"question":"q","answer":["a"],"paragraphs":[{"title":"t","text":"s"}]}` + "\n" + good, "jsonl"},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan, _ := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "x.jsonl", []byte(test.record))}}})
			if in := plan.Inputs[0]; in.Format != test.want || !in.Recognized {
				t.Errorf("read as %q, want %q", in.Format, test.want)
			}
		})
	}
}
