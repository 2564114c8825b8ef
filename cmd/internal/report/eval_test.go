package report

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/longctx/pipeline/train/eval"
)

// hostileName is a text that would like to be more than text.
const hostileName = "<script>alert(1)</script>\u202e"

func evalRun(name string, right int) EvalRun {
	var groups []*eval.Group
	for i := range 10 {
		groups = append(groups, &eval.Group{SampleID: string(rune('a' + i)), Benchmark: hostileName, Responses: 2, Known: 2, Right: right, Sum: float64(right)})
	}
	one := eval.Estimate{Mean: 1, Lower: 0.5, Upper: 1.5, Samples: 10}
	r := &eval.Report{
		Model: hostileName, Scoring: eval.Scoring{Scorer: "strict", Judge: hostileName}, Result: eval.Summarize(groups, 2, 1),
		Reasons:  []eval.Reason{{Reason: hostileName, Count: 3, Example: hostileName}},
		Refusals: []eval.Reason{{Reason: hostileName, Count: 1, Example: hostileName}},
		Patterns: &eval.Patterns{By: eval.ByJudge, Judge: hostileName, Steps: []eval.PatternsStep{{Step: 1, Counts: [4]eval.Estimate{one, one, one, one}}, {Step: 2, Counts: [4]eval.Estimate{one, one, one, one}}}},
	}
	r.Steps = []eval.StepResult{{Step: 1, Result: r.Result}, {Step: 2, Result: r.Result}}
	return EvalRun{name, r}
}

func TestThePageOfEvaluationsSaysWhatTheReportsSayAndRunsNothing(t *testing.T) {
	a, b := evalRun("first", 1), evalRun(hostileName, 2)
	nan := eval.Value(math.NaN())
	unknown := eval.Difference{Name: hostileName, A: nan, B: nan, By: eval.Estimate{Mean: nan, Lower: nan, Upper: nan}, P: nan}
	var page bytes.Buffer
	err := WriteEval(&page, Eval{Runs: []EvalRun{a, b}, Comparisons: []EvalComparison{{hostileName, []eval.Difference{unknown}}}, Paper: true})
	if err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, want := range []string{
		"Evaluation of first", `id="plot-forest-t"`, `id="plot-steps-t"`, `id="plot-patterns-t"`, ">50.0<", ">100.0<", "QwenLong-L1-14B, DAPO", "68.3", "73.7", "arXiv 2505.17667",
		"Content-Security-Policy", "not asked: ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script>alert", "\u202e", ">NaN", "ZgotmplZ", `style="`, "http://", "https://"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %q", never)
		}
	}
}

func TestAPageOfNothingIsAPage(t *testing.T) {
	var page bytes.Buffer
	empty := EvalRun{"empty", &eval.Report{Result: eval.Summarize(nil, 1, 0)}}
	if err := WriteEval(&page, Eval{Runs: []EvalRun{empty}}); err != nil || !strings.Contains(page.String(), "empty") {
		t.Errorf("%v", err)
	}
}
