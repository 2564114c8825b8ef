package dataset_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// drawn is a sample with all that the stages add.
type drawn struct {
	Sample dataset.Sample
	Place  dataset.Place
	Tokens dataset.Tokens
}

func draw(t *rapid.T, i int) drawn {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "日本語", "nul \x00 in it", strings.Repeat("long ", 500)}))
	d := drawn{
		Sample: dataset.Sample{
			SourceID: text.Draw(t, "source_id"), Source: "in.jsonl", DataSource: text.Draw(t, "data_source"),
			Question: text.Draw(t, "question"), Context: text.Draw(t, "context"), Answers: rapid.SliceOfN(text, 1, 3).Draw(t, "answers"),
			Response: text.Draw(t, "response"), Messages: text.Draw(t, "messages"), Meta: text.Draw(t, "meta"),
		},
		Place: dataset.Place{Line: int64(i), Offset: rapid.Int64Range(-1, 1<<40).Draw(t, "offset"), Notes: dataset.Notes(rapid.IntRange(0, 3).Draw(t, "notes"))},
	}
	d.Sample.ID = dataset.HashSample(&d.Sample, dataset.HashContext(fmt.Sprint(i)))
	ids := rapid.SliceOfN(rapid.Int32Range(0, 1<<30), 1, 40)
	d.Tokens.Prompt = ids.Draw(t, "prompt")
	if d.Sample.IsSFT() {
		d.Tokens.Response = ids.Draw(t, "response_tokens")
	}
	d.Tokens.QuestionContextLength = rapid.Int32Range(0, 50).Draw(t, "qc")
	return d
}

// write puts samples into a shard, in batches cut at the given rows.
func write(t interface{ Fatal(...any) }, fsys dataset.FS, layout dataset.Layout, all []drawn, cuts []int) dataset.Shard {
	w, err := dataset.NewShardWriter(fsys, "shard.parquet", layout)
	if err != nil {
		t.Fatal(err)
	}
	b, tb := dataset.NewBatchBuilder(), dataset.NewTokenBuilder()
	defer b.Release()
	defer tb.Release()
	from := 0
	for _, to := range append(slices.Clone(cuts), len(all)) {
		if to <= from {
			continue
		}
		var rows []int
		for i, d := range all[from:to] {
			b.Append(&d.Sample, d.Place)
			tb.Append(d.Tokens)
			rows = append(rows, i)
		}
		rec := b.Batch()
		if cols := tb.Columns(); layout != dataset.LayoutIngest {
			rec = dataset.Extend(rec, dataset.TokenizeSchema, cols...)
		}
		if err := w.Append(dataset.ViewBatch(rec), rows); err != nil {
			t.Fatal(err)
		}
		rec.Release()
		from = to
	}
	s, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []drawn
		for i := range rapid.IntRange(1, 12).Draw(t, "n") {
			all = append(all, draw(t, i))
		}
		for _, layout := range []dataset.Layout{dataset.LayoutIngest, dataset.LayoutTokenize} {
			fsys := faultfs.New()
			s := write(t, fsys, layout, all, nil)
			var got []drawn
			for rec, err := range dataset.ReadBatches(fsys, s, layout) {
				if err != nil {
					t.Fatal(err)
				}
				v := dataset.ViewBatch(rec)
				for i := range v.Rows() {
					d := drawn{Sample: clone(v.Sample(i)), Place: v.Place(i)}
					if layout == dataset.LayoutTokenize {
						tok := v.Tokens(i)
						d.Tokens = dataset.Tokens{Prompt: slices.Clone(tok.Prompt), Response: slices.Clone(tok.Response), QuestionContextLength: tok.QuestionContextLength}
					}
					got = append(got, d)
				}
				rec.Release()
			}
			want := slices.Clone(all)
			for i := range want {
				if layout == dataset.LayoutIngest {
					want[i].Tokens = dataset.Tokens{}
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s (-want +got):\n%s", layout, d)
			}
		}
	})
}

// clone copies strings out of a batch.
func clone(s dataset.Sample) dataset.Sample {
	data, _ := json.Marshal(s)
	var c dataset.Sample
	_ = json.Unmarshal(data, &c)
	return c
}

func TestBatchesChangeNoByteOfAShard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []drawn
		for i := range rapid.IntRange(2, 20).Draw(t, "n") {
			all = append(all, draw(t, i))
		}
		cuts := rapid.SliceOf(rapid.IntRange(0, len(all))).Draw(t, "cuts")
		slices.Sort(cuts)
		whole := write(t, faultfs.New(), dataset.LayoutTokenize, all, nil)
		if cut := write(t, faultfs.New(), dataset.LayoutTokenize, all, cuts); cut != whole {
			t.Fatalf("cut at %v: %+v, whole: %+v", cuts, cut, whole)
		}
	})
}

func TestFilteringEqualsNeverWriting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all, kept []drawn
		drop := map[string]bool{}
		for i := range rapid.IntRange(1, 15).Draw(t, "n") {
			d := draw(t, i)
			all = append(all, d)
			if rapid.Bool().Draw(t, "drop") {
				drop[d.Sample.ID] = true
			} else {
				kept = append(kept, d)
			}
		}
		fsys := faultfs.New()
		write(t, fsys, dataset.LayoutTokenize, all, nil)
		got, err := dataset.FilterShard(t.Context(), fsys, "shard.parquet", "filtered.parquet", dataset.LayoutTokenize, drop)
		if err != nil {
			t.Fatal(err)
		}
		want := write(t, faultfs.New(), dataset.LayoutTokenize, kept, nil)
		want.Path = got.Path
		if got != want {
			t.Fatalf("filtered %+v, never written %+v", got, want)
		}
	})
}

func TestTheHashIsOfContentAlone(t *testing.T) {
	base := dataset.Sample{Question: "q", Answers: []string{"a", "b"}}
	id := func(s dataset.Sample, context string) string {
		return dataset.HashSample(&s, dataset.HashContext(context))
	}
	same := base
	same.Source, same.SourceID, same.DataSource, same.Meta, same.ID = "s", "i", "d", "{}", "x"
	if id(base, "c") != id(same, "c") {
		t.Error("source, ids and meta change the hash")
	}
	if got, want := id(base, "c"), "83a874487948b84948c6c37f17f89653"; got != want {
		t.Errorf("hash %s, want %s: every reward history would lose its samples", got, want)
	}
	others := []string{id(base, "c2")}
	for _, s := range []dataset.Sample{
		{Question: "q2", Answers: base.Answers},
		{Question: "q", Answers: []string{"ab"}},
		{Question: "q", Answers: []string{"b", "a"}},
		{Question: "q", Answers: base.Answers, Response: "r"},
		{Question: "q", Answers: base.Answers, Messages: "r"},
	} {
		others = append(others, id(s, "c"))
	}
	slices.Sort(others)
	if len(slices.Compact(others)) != 6 || slices.Contains(others, id(base, "c")) {
		t.Error("different samples have one hash")
	}
}

func TestTheLedgerBalancesOrSaysWhy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := dataset.NewLedger(dataset.StageIngest)
		reasons := []dataset.Reason{dataset.ReasonDuplicate, dataset.ReasonOverlong, dataset.ReasonInvalidJSON}
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			n := dataset.Notes(rapid.IntRange(0, 3).Draw(t, "notes"))
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				l.Keep(n)
			case 1:
				l.Drop(rapid.SampledFrom(reasons).Draw(t, "reason"))
			case 2:
				l.Keep(n)
				l.Redeem(dataset.ReasonDuplicate, n)
			}
		}
		if err := l.Balance(); err != nil {
			t.Fatal(err)
		}
		sum := dataset.NewLedger(dataset.StageIngest)
		sum.Add(l)
		sum.Add(l)
		if sum.In != 2*l.In || sum.Balance() != nil {
			t.Fatalf("twice %+v is %+v", l, sum)
		}
		l.Kept++
		if l.Balance() == nil {
			t.Fatal("a sample too many was not noticed")
		}
	})
}

func TestManifestsThatWereTamperedWithAreCorrupt(t *testing.T) {
	m := &dataset.Manifest{Stage: dataset.StageIngest, Ledger: []dataset.Ledger{dataset.NewLedger(dataset.StageIngest)}}
	data, err := m.Seal()
	if err != nil {
		t.Fatal(err)
	}
	read := func(text string) error {
		fsys := faultfs.New()
		if _, err := dataset.WriteFile(fsys, dataset.ManifestName, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_, err := dataset.ReadManifest(fsys)
		return err
	}
	if err := read(string(data)); err != nil {
		t.Errorf("as it was sealed: %v", err)
	}
	for from, to := range map[string]string{`"in": 0`: `"in": 1`, `"stage": "ingest"`: `"stage": "bucket"`, `"shards"`: `"shard"`, "}": ""} {
		if err := read(strings.Replace(string(data), from, to, 1)); !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("%s instead of %s: %v", to, from, err)
		}
	}
	if err := read(strings.Replace(string(data), `"format_version": 1`, `"format_version": 99`, 1)); err == nil || !strings.Contains(err.Error(), "version 99, this program knows 1 to") {
		t.Errorf("a later version: %v", err)
	}
	if err := read(string(data) + "x"); !errors.Is(err, dataset.ErrCorrupt) {
		t.Errorf("something behind its end: %v", err)
	}
	if _, err := dataset.ReadManifest(faultfs.New()); !errors.Is(err, dataset.ErrNoManifest) {
		t.Errorf("no manifest: %v", err)
	}
}

func TestDamageIsAnErrorAndNeverAPanic(t *testing.T) {
	var all []drawn
	rapid.Check(t, func(rt *rapid.T) {
		if all == nil {
			for i := range 12 {
				all = append(all, draw(rt, i))
			}
		}
		fsys := faultfs.New()
		write(rt, fsys, dataset.LayoutTokenize, all, nil)
		data := fsys.Files()["shard.parquet"]
		switch rapid.IntRange(0, 2).Draw(rt, "damage") {
		case 0:
			data = data[:rapid.IntRange(0, len(data)-1).Draw(rt, "cut")]
		case 1:
			data[rapid.IntRange(0, len(data)-1).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		case 2:
			at := rapid.IntRange(0, len(data)-1).Draw(rt, "at")
			data = append(data[:at:at], data[min(len(data), at+9):]...)
		}
		damaged := faultfs.New()
		if _, err := dataset.WriteFile(damaged, "shard.parquet", data); err != nil {
			rt.Fatal(err)
		}
		rows := 0
		for got, err := range dataset.ReadRows[dataset.Row](damaged, "shard.parquet") {
			if err != nil && !errors.Is(err, dataset.ErrCorrupt) {
				rt.Fatalf("%v is not ErrCorrupt", err)
			}
			rows += len(got)
		}
		_ = rows // a flipped bit in text is found by the hash, not by the decoder
	})
}

func TestAMissingFileIsNamed(t *testing.T) {
	for _, err := range dataset.ReadRows[dataset.Row](faultfs.New(), "nowhere.parquet") {
		if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	}
	err := dataset.Shard{Path: "nowhere.parquet"}.Check(faultfs.New())
	if !errors.Is(err, dataset.ErrCorrupt) || !strings.Contains(err.Error(), "nowhere.parquet") {
		t.Errorf("got %v", err)
	}
}
