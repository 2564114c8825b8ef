package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/bucket"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/tokenize"
)

var fused = []dataset.Stage{dataset.StageIngest, dataset.StageTokenize, dataset.StageBucket}

// corpus writes a JSONL file of n records: RL and SFT samples of many lengths, a duplicate
// every 11 records, a bad record every 13.
func corpus(t testing.TB, n int) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range n {
		id := i
		if i%11 == 10 {
			id = i / 2
		}
		words := make([]string, 1+(id*id)%200)
		for j := range words {
			words[j] = fmt.Sprintf("w%d", (id+j)%17)
		}
		switch {
		case i%13 == 12:
			fmt.Fprintf(&b, "{\"id\": \"bad-%d\", \"context\": %d\n", i, r.IntN(9))
		case id%5 == 4:
			fmt.Fprintf(&b, `{"id": "%d", "context": %q, "question": "Which?", "answer": "a%d", "response": "It is a%d."}`+"\n", id, strings.Join(words, " "), id, id)
		default:
			fmt.Fprintf(&b, `{"id": "%d", "context": %q, "question": "Which <|endoftext|>?", "answer": "a%d", "meta": {"n": %d}}`+"\n", id, strings.Join(words, " "), id, id)
		}
	}
	p := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(p, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return p
}

// countCorpus counts bad lines and distinct good ones without the code under test.
func countCorpus(t testing.TB, input string) (bad, distinct int64) {
	t.Helper()
	text, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var r struct{ ID string }
		switch {
		case json.Unmarshal([]byte(line), &r) != nil:
			bad++
		case !seen[r.ID]:
			seen[r.ID] = true
			distinct++
		}
	}
	return bad, distinct
}

func options(out dataset.FS, input string) Options {
	return Options{
		Stages: fused, Output: out, Workers: 2,
		Ingest:   ingest.Options{Inputs: []ingest.Input{{Path: input}}, MaxRecord: 1 << 20, SplitBytes: 4 << 10},
		Tokenize: tokenize.Options{Tokenizer: "bytes"},
		Bucket:   bucket.Options{Phases: []int32{300, 500, 800}, Length: bucket.LengthPrompt},
	}
}

func mustRun(t testing.TB, o Options) Report {
	t.Helper()
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sameFiles(t testing.TB, what string, got, want map[string][]byte) {
	t.Helper()
	if d := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); d != "" {
		t.Fatalf("%s: files (-want +got):\n%s", what, d)
	}
	for name := range want {
		if string(got[name]) != string(want[name]) {
			t.Errorf("%s: %s differs", what, name)
		}
	}
}

func TestWorkersAndMemoryChangeNoByte(t *testing.T) {
	input := corpus(t, 300)
	want := faultfs.New()
	m := mustRun(t, options(want, input)).Manifest
	if len(m.Splits) < 5 || len(m.Shards) < 10 {
		t.Fatalf("%d splits and %d shards: too few to show anything", len(m.Splits), len(m.Shards))
	}
	for _, workers := range []int{1, 3, 8} {
		got := faultfs.New()
		o := options(got, input)
		o.Workers, o.MaxMemory = workers, int64(workers)<<20
		mustRun(t, o)
		sameFiles(t, fmt.Sprintf("%d workers", workers), got.Files(), want.Files())
	}
}

func TestStagesOneByOneEndWithTheBytesOfTheFusedBuild(t *testing.T) {
	input := corpus(t, 300)
	for _, length := range []string{bucket.LengthPrompt, bucket.LengthQuestionContext} {
		want := faultfs.New()
		o := options(want, input)
		o.Bucket.Length = length
		o.Tokenize.CountQuestionContext = length == bucket.LengthQuestionContext
		mustRun(t, o)
		var from dataset.FS
		for _, stage := range fused {
			out := faultfs.New()
			s := o
			s.Stages, s.From, s.Output = []dataset.Stage{stage}, from, out
			mustRun(t, s)
			if _, err := dataset.Verify(t.Context(), out); err != nil {
				t.Fatalf("after %s: %v", stage, err)
			}
			if stage == dataset.StageBucket {
				sameFiles(t, length, out.Files(), want.Files())
			}
			from = out
		}
	}
}

func TestPlanSplitCommitByHandEndsWithTheSameBytes(t *testing.T) {
	input := corpus(t, 300)
	want := faultfs.New()
	mustRun(t, options(want, input))
	got := faultfs.New()
	n, _, err := PlanOnly(t.Context(), options(got, input))
	if err != nil {
		t.Fatal(err)
	}
	order := rand.New(rand.NewPCG(5, 5)).Perm(n)
	if _, err := Commit(t.Context(), options(got, input)); err == nil || !strings.Contains(err.Error(), "not done") {
		t.Errorf("commit before the splits: %v", err)
	}
	for _, i := range append(order, order[:2]...) { // two of them twice
		if _, err := One(t.Context(), options(got, input), i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := One(t.Context(), options(got, input), n); err == nil {
		t.Error("a split that the plan does not have was done")
	}
	if _, err := Commit(t.Context(), options(got, input)); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, "by hand", got.Files(), want.Files())
}

func TestSplitWithoutPlanSaysSo(t *testing.T) {
	_, err := One(t.Context(), options(faultfs.New(), corpus(t, 3)), 0)
	if !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
}

func TestTheLedgerAccountsForEveryRecord(t *testing.T) {
	fsys := faultfs.New()
	input := corpus(t, 300)
	m := mustRun(t, options(fsys, input)).Manifest
	in := m.LedgerOf(dataset.StageIngest)
	bad, kept := countCorpus(t, input)
	want := dataset.Ledger{Stage: dataset.StageIngest, Records: 300, In: 300, Kept: kept, Drops: map[dataset.Reason]int64{
		dataset.ReasonInvalidJSON: bad, dataset.ReasonDuplicate: 300 - bad - kept,
	}, Notes: map[string]int64{}}
	if d := cmp.Diff(want, in); d != "" {
		t.Errorf("ingest (-want +got):\n%s", d)
	}
	tok, buck := m.LedgerOf(dataset.StageTokenize), m.LedgerOf(dataset.StageBucket)
	if tok.In != in.Kept || buck.In != tok.Kept || tok.Balance() != nil || buck.Balance() != nil {
		t.Errorf("stages do not follow: %+v %+v", tok, buck)
	}
	if buck.Drops[dataset.ReasonOverlong] == 0 || tok.Notes["special_tokens"] == 0 {
		t.Errorf("the corpus has overlong samples and special tokens: %+v %+v", tok, buck)
	}
	v, err := dataset.Verify(t.Context(), fsys)
	if err != nil || v.Rows != buck.Kept {
		t.Errorf("verified %+v, %v; the ledger kept %d", v, err, buck.Kept)
	}
	if got := BadShare(m); got != float64(bad)/300 {
		t.Errorf("bad share %v", got)
	}
}

func TestDuplicatesKeepTheFirstWhereverTheSplitsAre(t *testing.T) {
	input := corpus(t, 300)
	rows := func(splitBytes int64) []dataset.Row {
		fsys := faultfs.New()
		o := options(fsys, input)
		o.Ingest.SplitBytes = splitBytes
		m := mustRun(t, o).Manifest
		var all []dataset.Row
		for _, s := range m.Shards {
			for rows, err := range dataset.ReadRows[dataset.Row](fsys, s.Path) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, rows...)
			}
		}
		return all
	}
	want := rows(1 << 30)
	for _, size := range []int64{1 << 10, 3 << 10, 10 << 10} {
		if d := cmp.Diff(want, rows(size), cmp.AllowUnexported(dataset.Row{}), cmp.Exporter(exportAll)); d != "" {
			t.Errorf("splits of %d bytes (-one split +):\n%.2000s", size, d)
		}
	}
}

func TestQuarantineNamesLinesOfTheWholeFile(t *testing.T) {
	input := corpus(t, 300)
	text, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	fsys := faultfs.New()
	mustRun(t, options(fsys, input))
	lines := strings.Split(strings.TrimSpace(string(fsys.Files()["quarantine/ingest.jsonl"])), "\n")
	if len(lines) != 23 {
		t.Fatalf("%d bad records, want 23", len(lines))
	}
	for i, line := range lines {
		r := decodeReject(t, line)
		if want := int64(13 * (i + 1)); r.Line != want {
			t.Errorf("bad record %d: line %d, want %d", i, r.Line, want)
		}
		at := string(text[r.Offset:])
		if !strings.HasPrefix(at, `{"id": "bad-`) || !strings.HasPrefix(at, r.Excerpt) {
			t.Errorf("bad record %d: offset %d points at %.40q", i, r.Offset, at)
		}
	}
}

func TestAnotherRunWithTheSameInputsDoesNothing(t *testing.T) {
	input, fsys := corpus(t, 50), faultfs.New()
	first := mustRun(t, options(fsys, input))
	fsys.OnOp(nil)
	second := mustRun(t, options(fsys, input))
	if first.UpToDate || !second.UpToDate || second.Manifest.ID != first.Manifest.ID {
		t.Errorf("first %v, second %v", first.UpToDate, second.UpToDate)
	}
	if log := fsys.Log(); len(log) > 0 {
		t.Errorf("it wrote: %q", log)
	}
}

func TestOtherInputsOrOptionsAreRefusedByName(t *testing.T) {
	input := corpus(t, 50)
	text, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*Options){
		"config.bucket.phases is [300,500,800] there and [100] here": func(o *Options) { o.Bucket.Phases = []int32{100} },
		"tokenizer.name":            func(o *Options) { o.Tokenize.Tokenizer = "r50k_base" },
		"config.ingest.split_bytes": func(o *Options) { o.Ingest.SplitBytes = 1 << 20 },
		"the content of in.jsonl has changed": func(*Options) {
			changed := strings.Replace(string(text), "w1", "w2", 1)
			if err := os.WriteFile(input, []byte(changed), 0o666); err != nil {
				t.Fatal(err)
			}
		},
	}
	for want, change := range changes {
		fsys := faultfs.New()
		if err := os.WriteFile(input, text, 0o666); err != nil {
			t.Fatal(err)
		}
		mustRun(t, options(fsys, input))
		before := fsys.Files()
		o := options(fsys, input)
		change(&o)
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
		sameFiles(t, want, fsys.Files(), before)
		o.Force = true
		mustRun(t, o)
		clean := faultfs.New()
		o.Output = clean
		mustRun(t, o)
		sameFiles(t, want+", by force", fsys.Files(), clean.Files())
	}
}

func TestAnUnfinishedBuildOfOtherOptionsIsRefused(t *testing.T) {
	input, fsys := corpus(t, 50), faultfs.New()
	if _, _, err := PlanOnly(t.Context(), options(fsys, input)); err != nil {
		t.Fatal(err)
	}
	o := options(fsys, input)
	o.Bucket.NoText = true
	_, err := Run(t.Context(), o)
	if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "an unfinished build") || !strings.Contains(err.Error(), "no_text") {
		t.Errorf("got %v", err)
	}
	o.Force = true
	mustRun(t, o)
}

func TestAnInputThatChangesDuringTheBuildIsNoticed(t *testing.T) {
	input, fsys := corpus(t, 300), faultfs.New()
	if _, _, err := PlanOnly(t.Context(), options(fsys, input)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(input, append(text, '\n'), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), options(fsys, input)); !errors.Is(err, ErrDiffers) {
		t.Errorf("got %v", err)
	}
}

func TestACancelledBuildGoesOnToTheSameBytes(t *testing.T) {
	input := corpus(t, 300)
	want := faultfs.New()
	mustRun(t, options(want, input))
	fsys := faultfs.New()
	ctx, cancel := context.WithCancel(t.Context())
	fsys.OnOp(func(i int, op faultfs.Op) error {
		if i == 60 {
			cancel()
		}
		return nil
	})
	if _, err := Run(ctx, options(fsys, input)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	r := mustRun(t, options(fsys, input))
	if r.UpToDate {
		t.Error("the cancelled build was finished")
	}
	sameFiles(t, "after the cancel", fsys.Files(), want.Files())
}
