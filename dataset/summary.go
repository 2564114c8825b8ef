package dataset

import (
	"context"
	"io/fs"
	"slices"
)

// A Summary says what is in a finished dataset, from its lengths and sources.
type Summary struct {
	Phases  []PhaseSummary `json:"phases"`
	Sources []SourceCount  `json:"sources"`
}

// PhaseSummary describes the samples of one kind in one phase. Lengths are in tokens, of
// prompts; zero where there are no samples.
type PhaseSummary struct {
	Phase   int32   `json:"phase"`
	Kind    Kind    `json:"kind"`
	Min     int32   `json:"min"` // the phase's range (min, max]
	Max     int32   `json:"max"`
	Samples int64   `json:"samples"`
	Tokens  int64   `json:"tokens"`
	Lengths Lengths `json:"lengths"`
}

// Lengths are order statistics of prompt lengths, and their histogram.
type Lengths struct {
	Min       int32   `json:"min"`
	Median    int32   `json:"median"`
	P90       int32   `json:"p90"`
	Max       int32   `json:"max"`
	Histogram []int64 `json:"histogram"` // samples in equal bins from the phase's minimum to its maximum
}

// SourceCount counts the samples of one input and task.
type SourceCount struct {
	Source     string `json:"source"`
	DataSource string `json:"data_source"`
	Samples    int64  `json:"samples"`
	Tokens     int64  `json:"tokens"`
}

const histogramBins = 10

type lengthRow struct {
	Source       string `parquet:"source"`
	DataSource   string `parquet:"data_source,optional"`
	PromptLength int32  `parquet:"prompt_length"`
}

type sourceRow struct {
	Source     string `parquet:"source"`
	DataSource string `parquet:"data_source,optional"`
}

// Summarize reads the small columns of every shard.
func Summarize(ctx context.Context, fsys fs.FS, m *Manifest) (Summary, error) {
	type key struct {
		kind  Kind
		phase int32
	}
	lengths := map[key][]int32{}
	sources := map[sourceRow]*SourceCount{}
	for _, s := range m.Shards {
		if err := ctx.Err(); err != nil {
			return Summary{}, err
		}
		k := key{s.Kind, s.Phase}
		err := eachLength(fsys, s, m.Stage != StageIngest, func(r lengthRow) {
			lengths[k] = append(lengths[k], r.PromptLength)
			src := sourceRow{r.Source, r.DataSource}
			if sources[src] == nil {
				sources[src] = &SourceCount{Source: r.Source, DataSource: r.DataSource}
			}
			sources[src].Samples++
			sources[src].Tokens += int64(r.PromptLength)
		})
		if err != nil {
			return Summary{}, err
		}
	}
	var sum Summary
	phases := m.Phases
	if phases == nil {
		phases = []Phase{{}}
	}
	for _, kind := range []Kind{KindRL, KindSFT, KindMixed} {
		for _, p := range phases {
			if l := lengths[key{kind, p.Phase}]; len(l) > 0 || kind == KindRL && m.Phases != nil {
				sum.Phases = append(sum.Phases, summarizePhase(p, kind, l))
			}
		}
	}
	for _, c := range sources {
		sum.Sources = append(sum.Sources, *c)
	}
	slices.SortFunc(sum.Sources, func(a, b SourceCount) int {
		return slices.Compare([]string{a.Source, a.DataSource}, []string{b.Source, b.DataSource})
	})
	return sum, nil
}

func eachLength(fsys fs.FS, s Shard, tokenized bool, yield func(lengthRow)) error {
	if !tokenized {
		for rows, err := range ReadRows[sourceRow](fsys, s.Path) {
			if err != nil {
				return err
			}
			for _, r := range rows {
				yield(lengthRow{Source: r.Source, DataSource: r.DataSource})
			}
		}
		return nil
	}
	for rows, err := range ReadRows[lengthRow](fsys, s.Path) {
		if err != nil {
			return err
		}
		for _, r := range rows {
			yield(r)
		}
	}
	return nil
}

func summarizePhase(p Phase, kind Kind, lengths []int32) PhaseSummary {
	sum := PhaseSummary{Phase: p.Phase, Kind: kind, Min: p.Min, Max: p.Max, Samples: int64(len(lengths))}
	if len(lengths) == 0 {
		return sum
	}
	slices.Sort(lengths)
	l := &sum.Lengths
	l.Min, l.Max = lengths[0], lengths[len(lengths)-1]
	l.Median, l.P90 = quantile(lengths, 0.5), quantile(lengths, 0.9)
	low, high := p.Min, p.Max
	if high == 0 { // no phases yet
		high = max(l.Max, 1)
	}
	l.Histogram = make([]int64, histogramBins)
	for _, n := range lengths {
		sum.Tokens += int64(n)
		// Bins are half-open below like the phases; a length measured otherwise may lie outside.
		bin := int((int64(n) - int64(low) - 1) * histogramBins / int64(high-low))
		l.Histogram[min(max(bin, 0), histogramBins-1)]++
	}
	return sum
}

// quantile returns the smallest value that at least a share q of the sorted values does not exceed.
func quantile(sorted []int32, q float64) int32 {
	i := int(q*float64(len(sorted))+0.9999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// FindSample returns the row of a sample in a finished dataset; ok is false where there is none.
func FindSample(ctx context.Context, fsys fs.FS, m *Manifest, id string) (row Row, ok bool, err error) {
	type idOnly struct {
		SampleID string `parquet:"sample_id"`
		SourceID string `parquet:"source_id,optional"`
	}
	for _, s := range m.Shards {
		found := int64(-1)
		var n int64
		for rows, err := range ReadRows[idOnly](fsys, s.Path) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return Row{}, false, err
			}
			for _, r := range rows {
				if found < 0 && (r.SampleID == id || r.SourceID == id) {
					found = n
				}
				n++
			}
		}
		if found < 0 {
			continue
		}
		n = 0
		for rows, err := range ReadRows[Row](fsys, s.Path) {
			if err != nil {
				return Row{}, false, err
			}
			if found < n+int64(len(rows)) {
				return rows[found-n], true, nil
			}
			n += int64(len(rows))
		}
	}
	return Row{}, false, nil
}
