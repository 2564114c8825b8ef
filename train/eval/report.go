package eval

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"

	"github.com/longctx/pipeline/dataset"
)

// ReportName is the file that makes an evaluation finished. It is written last.
const ReportName = "report.json"

// Scoring says how rewards came about.
type Scoring struct {
	Scorer string `json:"scorer"`
	Judge  string `json:"judge"` // its model; empty: the rule alone
}

// A Report is everything that an evaluation says.
type Report struct {
	Version  int      `json:"format_version"`
	Config   *Config  `json:"config"` // null: of given rollouts
	Scoring  Scoring  `json:"scoring"`
	Model    string   `json:"model"`
	Seed     uint64   `json:"bootstrap_seed"`
	Damaged  int      `json:"damaged_lines"` // of responses, that a crash left
	Refusals []Reason `json:"refusals"`      // of samples
	Reasons  []Reason `json:"reasons"`       // of rewards, the most frequent first
	Result
	Steps    []StepResult   `json:"steps,omitempty"`    // of given rollouts of several steps
	Patterns *Patterns      `json:"patterns,omitempty"` // null: not asked for
	Files    []dataset.File `json:"files"`
}

// A StepResult is the result of one checkpoint.
type StepResult struct {
	Step int64 `json:"step"`
	Result
}

// A Reason is why rewards are what they are, or why samples were not asked.
type Reason struct {
	Reason  string `json:"reason"`
	Count   int64  `json:"count"`         // responses, or samples
	Null    int64  `json:"null,omitzero"` // of them without a reward
	Example string `json:"example"`       // id of a sample
}

// maxReasons bounds the refusals that are told apart: servers write lengths into them.
const maxReasons = 20

// NewReport summarizes the groups of an evaluation.
func NewReport(g *Groups, n int, s Scoring, seed uint64) *Report {
	if n == 0 {
		n = g.n
	}
	r := &Report{Version: FormatVersion, Scoring: s, Seed: seed, Refusals: []Reason{}, Reasons: g.Reasons(), Files: []dataset.File{}}
	steps := map[int64][]*Group{}
	for _, one := range g.List {
		steps[one.Step] = append(steps[one.Step], one)
		if one.Refused != "" {
			r.refuse(one)
		}
	}
	for _, step := range sortedSteps(steps) {
		r.Result = Summarize(steps[step], n, seed) // the last step's stays
		if len(steps) > 1 {
			r.Steps = append(r.Steps, StepResult{step, r.Result})
		}
	}
	if len(steps) == 0 {
		r.Result = Summarize(nil, n, seed)
	}
	return r
}

// Reasons are the reasons of the rewards, the most frequent first.
func (g *Groups) Reasons() []Reason {
	out := []Reason{}
	for _, name := range sortedKeys(g.reasons, nil) {
		out = append(out, *g.reasons[name])
	}
	slices.SortStableFunc(out, func(a, b Reason) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func (r *Report) refuse(g *Group) {
	for i := range r.Refusals {
		if r.Refusals[i].Reason == g.Refused || i == maxReasons-1 {
			r.Refusals[i].Count++
			return
		}
	}
	r.Refusals = append(r.Refusals, Reason{Reason: g.Refused, Count: 1, Example: g.SampleID})
}

// Write writes the tables and, last, the report. files are those that are there already.
func (r *Report) Write(fsys dataset.FS, g *Groups, files ...dataset.File) error {
	r.Files = files
	for _, t := range []struct {
		name  string
		write func(io.Writer) error
	}{{"results.csv", r.WriteCSV}, {"samples.csv", g.WriteCSV}} {
		var b bytes.Buffer
		if err := t.write(&b); err != nil {
			return err
		}
		f, err := dataset.WriteFile(fsys, t.name, b.Bytes())
		if err != nil {
			return err
		}
		r.Files = append(r.Files, f)
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = dataset.WriteFile(fsys, ReportName, append(data, '\n'))
	return err
}

// ReadReport reads the report of a finished evaluation. ErrNoEval, dataset.ErrCorrupt.
func ReadReport(fsys fs.FS) (*Report, error) {
	data, err := fs.ReadFile(fsys, ReportName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoEval
	}
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", ReportName, dataset.ErrCorrupt, err)
	}
	if r.Version < 1 || r.Version > FormatVersion {
		return nil, fmt.Errorf("read %s: format version %d, this program knows 1 to %d", ReportName, r.Version, FormatVersion)
	}
	return r, nil
}

// WriteCSV writes one line for each benchmark and one for the average.
func (r *Report) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	head := []string{
		"step", "benchmark", "samples", "scored", "refused", "responses", "missing", "null", "judge_only", "overlong", "truncated",
		"avg_at_n", "avg_lower", "avg_upper",
	}
	for _, k := range Ks(r.N) {
		head = append(head, fmt.Sprintf("pass_at_%d", k), fmt.Sprintf("pass_at_%d_lower", k), fmt.Sprintf("pass_at_%d_upper", k))
	}
	head = append(head, "length_mean", "length_median", "length_p90", "length_max")
	rows := [][]string{head}
	if len(r.Steps) == 0 {
		rows = append(rows, r.rows("")...)
	}
	for i := range r.Steps {
		rows = append(rows, r.Steps[i].rows(strconv.FormatInt(r.Steps[i].Step, 10))...)
	}
	return c.WriteAll(rows)
}

func (r *Result) rows(step string) (rows [][]string) {
	for _, b := range append(r.Benchmarks[:len(r.Benchmarks):len(r.Benchmarks)], r.Average) {
		row := []string{step, b.Name}
		for _, n := range []int64{b.Samples, b.Scored, b.Refused, b.Responses, b.Missing, b.Null, b.JudgeOnly, b.Overlong, b.Truncated} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		row = append(row, b.Avg.Mean.Cell(), b.Avg.Lower.Cell(), b.Avg.Upper.Cell())
		for _, p := range b.Pass {
			row = append(row, p.Mean.Cell(), p.Lower.Cell(), p.Upper.Cell())
		}
		l := b.Lengths
		rows = append(rows, append(row, l.Mean.Cell(), l.Median.Cell(), l.P90.Cell(), l.Max.Cell()))
	}
	return rows
}

// Cell is the value in a table of a program: empty where it is unknown.
func (v Value) Cell() string {
	if !v.Known() {
		return ""
	}
	return strconv.FormatFloat(float64(v), 'g', 6, 64)
}

// WriteCSV writes one line for each sample.
func (g *Groups) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"sample_id", "benchmark", "step", "responses", "known", "right", "mean", "judge_only", "overlong", "truncated", "refused"}}
	for _, one := range g.List {
		rows = append(rows, []string{
			one.SampleID, one.Benchmark, strconv.FormatInt(one.Step, 10), strconv.Itoa(one.Responses), strconv.Itoa(one.Known), strconv.Itoa(one.Right),
			Value(one.Mean()).Cell(), strconv.Itoa(one.JudgeOnly), strconv.Itoa(one.Overlong), strconv.Itoa(one.Truncated), one.Refused,
		})
	}
	return c.WriteAll(rows)
}
