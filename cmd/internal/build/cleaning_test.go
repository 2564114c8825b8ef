package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/clean"
)

// dirtyCorpus writes n documents with two questions each. Every third document comes back at once
// with one word changed and both its questions, once as they are and once asking something else;
// every tenth holds a question of the benchmark, and one in seven lacks its answer.
func dirtyCorpus(t testing.TB, n int) (input, benchmark string) {
	t.Helper()
	r := rand.New(rand.NewPCG(4, 4))
	var in strings.Builder
	put := func(id string, words []string, question, answer string) {
		fmt.Fprintf(&in, `{"id": %q, "context": %q, "question": %q, "answer": %q}`+"\n", id, strings.Join(words, " "), question, answer)
	}
	leak := "in which of the two harbours did the northern fleet spend the whole winter of that year"
	for i := range n {
		words := make([]string, 60)
		for j := range words {
			words[j] = fmt.Sprintf("w%d", r.IntN(5000))
		}
		answer := words[30]
		if i%7 == 0 {
			answer = "nowhere"
		}
		if i%10 == 0 {
			words = append(words, strings.Fields(leak)...)
		}
		put(fmt.Sprintf("%d-a", i), words, "Which word?", answer)
		put(fmt.Sprintf("%d-b", i), words, "Which other word?", answer)
		if i%3 == 0 {
			copied := slices.Clone(words)
			copied[0] = "changed"
			put(fmt.Sprintf("%d-near", i), copied, "WHICH word", answer)
			put(fmt.Sprintf("%d-other", i), copied, "Which third word?", answer)
		}
	}
	input, benchmark = filepath.Join(t.TempDir(), "in.jsonl"), filepath.Join(t.TempDir(), "bench.jsonl")
	bench := fmt.Sprintf(`{"id": "q1", "question": %q, "answer": "the eastern one"}`+"\n", "Say: "+leak+"?")
	if err := errors.Join(os.WriteFile(input, []byte(in.String()), 0o666), os.WriteFile(benchmark, []byte(bench), 0o666)); err != nil {
		t.Fatal(err)
	}
	return input, benchmark
}

func cleaning(out dataset.FS, input, benchmark string) Options {
	o := options(out, input)
	o.Bucket.Phases = []int32{100_000}
	o.Clean = clean.Options{NearDedup: 0.8, Decontaminate: []ingest.Input{{Path: benchmark}}, Check: []string{"answer_not_in_document"}}
	return o
}

// filed reads the quarantine of ingest.
func filed(t testing.TB, fsys *faultfs.FS) []dataset.Reject {
	t.Helper()
	var out []dataset.Reject
	for line := range strings.Lines(string(fsys.Files()["quarantine/ingest.jsonl"])) {
		out = append(out, decodeReject(t, line))
	}
	return out
}

func keptIDs(t testing.TB, fsys *faultfs.FS, m *dataset.Manifest) []string {
	t.Helper()
	var ids []string
	for _, s := range m.Shards {
		for rows, err := range dataset.ReadRows[dataset.Row](fsys, s.Path) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				ids = append(ids, r.SourceID)
			}
		}
	}
	return ids
}

func TestCleaningDropsWithEvidenceAndKeepsTheRest(t *testing.T) {
	input, benchmark := dirtyCorpus(t, 60)
	fsys := faultfs.New()
	m := mustRun(t, cleaning(fsys, input, benchmark)).Manifest
	if _, err := dataset.Verify(t.Context(), fsys); err != nil {
		t.Fatal(err)
	}
	var want []string
	drops := map[dataset.Reason]int64{}
	absent := int64(0)
	for i := range 60 {
		ids := []string{fmt.Sprintf("%d-a", i), fmt.Sprintf("%d-b", i)}
		if i%3 == 0 {
			ids = append(ids, fmt.Sprintf("%d-other", i))
		}
		switch {
		case i%10 == 0:
			drops[dataset.ReasonContaminated] += int64(len(ids))
			if i%3 == 0 {
				drops[dataset.ReasonContaminated]++
			}
			continue
		case i%3 == 0:
			drops[dataset.ReasonNearDuplicate]++
		}
		if i%7 == 0 {
			absent += int64(len(ids))
		}
		want = append(want, ids...)
	}
	if d := cmp.Diff(want, keptIDs(t, fsys, m)); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	l := m.LedgerOf(dataset.StageIngest)
	if d := cmp.Diff(drops, l.Drops); d != "" {
		t.Errorf("drops (-want +got):\n%s", d)
	}
	if l.Notes["answer_not_in_document"] != absent || BadShare(m) != 0 {
		t.Errorf("notes %v, want %d; bad share %v", l.Notes, absent, BadShare(m))
	}
	ids := map[string]string{} // by source id
	for _, s := range m.Shards {
		for rows, err := range dataset.ReadRows[dataset.Row](fsys, s.Path) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				ids[r.SourceID] = r.SampleID
			}
		}
	}
	lines := strings.Split(readInput(t, input), "\n")
	for _, r := range filed(t, fsys) {
		if !strings.Contains(lines[r.Line-1], fmt.Sprintf(`"id": %q`, r.SourceID)) || r.Evidence == nil {
			t.Fatalf("filed %+v, and line %d is %.60s", r, r.Line, lines[r.Line-1])
		}
		e := *r.Evidence
		switch r.Reason {
		case dataset.ReasonNearDuplicate:
			kept := strings.TrimSuffix(r.SourceID, "near") + "a"
			if e.KeptSampleID != ids[kept] || e.Similarity < 0.8 || e.Similarity >= 1 {
				t.Errorf("%s: evidence %+v; %s stays as %s", r.SourceID, e, kept, ids[kept])
			}
		case dataset.ReasonContaminated:
			want := dataset.Evidence{
				Benchmark: "bench.jsonl", BenchmarkID: "q1", Field: "question", FoundIn: "context",
				NGram: "in which of the two harbours did the northern fleet spend the whole",
			}
			if d := cmp.Diff(want, e); d != "" {
				t.Errorf("%s (-want +got):\n%s", r.SourceID, d)
			}
		}
	}
}

func readInput(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCleaningIsTheSameForAnyWorkersAndStages(t *testing.T) {
	input, benchmark := dirtyCorpus(t, 60)
	want := faultfs.New()
	mustRun(t, cleaning(want, input, benchmark))
	for _, workers := range []int{1, 5} {
		got := faultfs.New()
		o := cleaning(got, input, benchmark)
		o.Workers = workers
		mustRun(t, o)
		sameFiles(t, fmt.Sprintf("%d workers", workers), got.Files(), want.Files())
	}
	var from dataset.FS
	for _, stage := range fused {
		out := faultfs.New()
		o := cleaning(out, input, benchmark)
		o.Stages, o.From = []dataset.Stage{stage}, from
		mustRun(t, o)
		if stage == dataset.StageBucket {
			sameFiles(t, "stage by stage", out.Files(), want.Files())
		}
		from = out
	}
}

func TestCleaningKeepsTheSameSamplesWhereverTheSplitsAre(t *testing.T) {
	input, benchmark := dirtyCorpus(t, 60)
	for _, by := range []string{clean.BySample, clean.ByDocument} {
		var want []string
		var drops map[dataset.Reason]int64
		for i, splitBytes := range []int64{1 << 20, 2 << 10} {
			fsys := faultfs.New()
			o := cleaning(fsys, input, benchmark)
			o.Ingest.SplitBytes, o.Clean.NearDedupBy = splitBytes, by
			m := mustRun(t, o).Manifest
			ids, l := keptIDs(t, fsys, m), m.LedgerOf(dataset.StageIngest)
			if i == 0 {
				want, drops = ids, l.Drops
			}
			if d := cmp.Diff(want, ids); d != "" {
				t.Errorf("by %s, splits of %d bytes (-want +got):\n%s", by, splitBytes, d)
			}
			if d := cmp.Diff(drops, l.Drops); d != "" {
				t.Errorf("by %s, splits of %d bytes: drops (-want +got):\n%s", by, splitBytes, d)
			}
		}
		other := slices.Contains(want, "3-other") // another question on a document that is near an earlier one
		if other != (by == clean.BySample) || !slices.Contains(want, "3-b") {
			t.Errorf("by %s: kept %v", by, want)
		}
	}
}

func TestChecksDropWhereAsked(t *testing.T) {
	input, _ := dirtyCorpus(t, 30)
	fsys := faultfs.New()
	o := options(fsys, input)
	o.Clean.Drop = []string{"answer_not_in_document"}
	m := mustRun(t, o).Manifest
	if got := m.LedgerOf(dataset.StageIngest).Drops[dataset.ReasonAnswerAbsent]; got != 5*2+2*2 { // 0, 7, .., 28; 0 and 21 have near copies
		t.Errorf("%d dropped", got)
	}
	for _, id := range keptIDs(t, fsys, m) {
		if strings.HasPrefix(id, "7-") || strings.HasPrefix(id, "14-") {
			t.Errorf("%s is kept", id)
		}
	}
}

func TestACleaningBuildSurvivesACrashAtEveryOperation(t *testing.T) {
	input, _ := dirtyCorpus(t, 8)
	opts := func(fsys dataset.FS) Options {
		o := cleaning(fsys, input, "")
		o.Workers, o.Ingest.SplitBytes, o.Clean.Decontaminate = 1, 4<<10, nil
		return o
	}
	clean := faultfs.New()
	if m := mustRun(t, opts(clean)).Manifest; len(m.Splits) < 2 || m.LedgerOf(dataset.StageIngest).Drops[dataset.ReasonNearDuplicate] == 0 {
		t.Fatal("the corpus is too small to show anything")
	}
	for n := range clean.Ops() {
		if n%3 != 0 && n < clean.Ops()-20 {
			continue // every operation of the commit, a third of those before
		}
		fsys := faultfs.New()
		fsys.OnOp(func(i int, _ faultfs.Op) error {
			if i == n {
				return faultfs.ErrCrashed
			}
			return nil
		})
		_, _ = Run(t.Context(), opts(fsys))
		survivor := fsys.AfterCrash()
		mustRun(t, opts(survivor))
		sameFiles(t, fmt.Sprintf("after a crash at operation %d", n), survivor.Files(), clean.Files())
	}
}

func TestAChangedBenchmarkMakesAnotherBuild(t *testing.T) {
	input, benchmark := dirtyCorpus(t, 10)
	fsys := faultfs.New()
	mustRun(t, cleaning(fsys, input, benchmark))
	if r := mustRun(t, cleaning(fsys, input, benchmark)); !r.UpToDate {
		t.Error("the same build again did something")
	}
	line, err := json.Marshal(map[string]string{"question": "Another question?", "answer": "yes"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(benchmark, append(line, '\n'), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), cleaning(fsys, input, benchmark)); !errors.Is(err, ErrDiffers) {
		t.Errorf("got %v", err)
	}
}
