package dataset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// someColumns has each kind of column: nullable and not, lists, numbers.
type someColumns struct {
	SampleID     string   `parquet:"sample_id"`
	Context      string   `parquet:"context"`
	Answers      []string `parquet:"answers,list"`
	Messages     string   `parquet:"messages,optional"`
	PromptTokens []int32  `parquet:"prompt_tokens,list"`
	PromptLength int32    `parquet:"prompt_length"`
}

// manyPages writes a shard whose columns have several pages and row groups, and returns its rows.
func manyPages(t testing.TB, fsys dataset.FS) []someColumns {
	all := make([]drawn, 500)
	for i := range all {
		d := &all[i]
		d.Sample = dataset.Sample{Source: "in", Question: fmt.Sprint("q", i), Context: strings.Repeat(fmt.Sprint(i, " "), 1+i*7919%9000)}
		for a := range i % 4 {
			d.Sample.Answers = append(d.Sample.Answers, fmt.Sprint("answer ", i, a))
		}
		if i%3 == 0 {
			d.Sample.Messages = fmt.Sprintf(`[{"role":"user","content":"%d"}]`, i)
		}
		d.Sample.ID = dataset.HashSample(&d.Sample, dataset.HashContext(d.Sample.Context))
		d.Tokens.Prompt = make([]int32, i*31%700)
		for j := range d.Tokens.Prompt {
			d.Tokens.Prompt[j] = int32(i + j)
		}
	}
	write(t, fsys, dataset.LayoutTokenize, all, nil)
	var rows []someColumns
	for some, err := range dataset.ReadRows[someColumns](fsys, "shard.parquet") {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, some...)
	}
	if len(rows) != len(all) {
		t.Fatalf("%d rows of %d", len(rows), len(all))
	}
	return rows
}

func TestAnyRowsAreReadAsAReadingOfAllHasThem(t *testing.T) {
	fsys := faultfs.New()
	all := manyPages(t, fsys)
	for seed, share := range []float64{0, 0.002, 0.002, 0.02, 0.02, 0.02, 0.2, 0.2, 1} {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		var numbers []int64
		for i := range all {
			if rng.Float64() < share {
				numbers = append(numbers, int64(i))
			}
		}
		n := 0
		for row, err := range dataset.ReadRowsAt[someColumns](fsys, "shard.parquet", numbers) {
			if err != nil {
				t.Fatal(err)
			}
			want := all[numbers[n]]
			if len(row.Answers) == 0 && len(want.Answers) == 0 {
				row.Answers, want.Answers = nil, nil
			}
			if len(row.PromptTokens) == 0 && len(want.PromptTokens) == 0 {
				row.PromptTokens, want.PromptTokens = nil, nil
			}
			if !reflect.DeepEqual(row, want) {
				t.Fatalf("row %d: another sample, or not all of it", numbers[n])
			}
			n++
		}
		if n != len(numbers) {
			t.Fatalf("%d rows of %d", n, len(numbers))
		}
		n = 0
		for ids, err := range dataset.ReadPromptTokensAt(fsys, "shard.parquet", numbers) {
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids, all[numbers[n]].PromptTokens) {
				t.Fatalf("row %d: other ids", numbers[n])
			}
			n++
		}
		if n != len(numbers) {
			t.Fatalf("ids of %d rows of %d", n, len(numbers))
		}
	}
}

func TestWhatAShardDoesNotHaveIsCorrupt(t *testing.T) {
	fsys := faultfs.New()
	all := manyPages(t, fsys)
	for _, err := range dataset.ReadRowsAt[someColumns](fsys, "shard.parquet", []int64{int64(len(all))}) {
		if !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("a row past the end: %v", err)
		}
	}
	type other struct {
		Phase int32 `parquet:"phase"`
	}
	for _, err := range dataset.ReadRowsAt[other](fsys, "shard.parquet", []int64{0}) {
		if !errors.Is(err, dataset.ErrCorrupt) || !strings.Contains(err.Error(), "phase") {
			t.Errorf("a column that is not there: %v", err)
		}
	}
	for _, err := range dataset.ReadRowsAt[someColumns](fsys, "none.parquet", []int64{0}) {
		if !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("a file that is not there: %v", err)
		}
	}
}
