package history

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
)

// summaryRow is one line of a summary file: a sample under one measurement.
type summaryRow struct {
	SampleID     string   `parquet:"sample_id"`
	Run          string   `parquet:"run,dict"`
	MaxPrompt    int32    `parquet:"max_prompt"`
	MaxResponse  int32    `parquet:"max_response"`
	Temperature  *float32 `parquet:"temperature,optional"`
	Judge        string   `parquet:"judge,dict"`
	Visits       int32    `parquet:"visits"`
	Known        int32    `parquet:"known"`
	Unknown      int32    `parquet:"unknown"`
	Successes    int32    `parquet:"successes"`
	ZeroVariance int32    `parquet:"zero_variance_visits"`
	RewardSum    float64  `parquet:"reward_sum"`
	Squares      float64  `parquet:"reward_squares"`
	Mean         *float64 `parquet:"mean,optional"`
	Lower        float64  `parquet:"lower"`
	Upper        float64  `parquet:"upper"`
	Alpha        float64  `parquet:"alpha"`
	Beta         float64  `parquet:"beta"`
	FirstPhase   int32    `parquet:"first_phase"`
	FirstStep    int64    `parquet:"first_step"`
	LastPhase    int32    `parquet:"last_phase"`
	LastStep     int64    `parquet:"last_step"`
	LastMean     *float64 `parquet:"last_mean,optional"`
}

// writeSummary writes the summaries of the snapshot, measurement by measurement.
func (c *compactor) writeSummary(ctx context.Context) error {
	name := fmt.Sprintf("%s/summary-%08d.parquet", Folder, c.s.files.Add(1))
	c.made = append(c.made, name)
	file, err := dataset.CreateHashed(c.s.fsys, name+".tmp")
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	w := parquet.NewGenericWriter[summaryRow](file,
		parquet.Compression(codec),
		parquet.CreatedBy("pipeline", fmt.Sprint(FormatVersion), ""), parquet.MaxRowsPerRowGroup(128<<10))
	err = c.eachMeasurement(ctx, func(sums *Summaries) error {
		rows := make([]summaryRow, 0, 256)
		for s := range sums.All() {
			if rows = append(rows, sums.row(s)); len(rows) == cap(rows) {
				if _, err := w.Write(rows); err != nil {
					return err
				}
				rows = rows[:0]
			}
			c.did.Summarized++
		}
		_, err := w.Write(rows)
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		file.Abort()
		return fmt.Errorf("history: write %s: %w", name, err)
	}
	f, err := file.Finish()
	if err == nil {
		err = c.s.fsys.Rename(f.Path, name)
	}
	if err != nil {
		c.s.fsys.Remove(name + ".tmp")
		return fmt.Errorf("history: write %s: %w", name, err)
	}
	f.Path = name
	c.summary = &summaryFile{File: f, Rows: c.did.Summarized, Snapshot: c.from.Snapshot}
	return nil
}

// eachMeasurement summarizes what each measurement has, one after the other: more memory than
// the summaries of one is never needed.
func (c *compactor) eachMeasurement(ctx context.Context, yield func(*Summaries) error) error {
	measurements, err := c.snap.Measurements(ctx, Filter{})
	if err != nil {
		return err
	}
	for _, m := range measurements {
		sums, err := c.snap.Summarize(ctx, SummaryOptions{Filter: Filter{Runs: []string{m.Run}, Limits: &m.Limits, Judge: &m.Judge}})
		if err == nil {
			err = yield(sums)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// row returns a summary as the file has it.
func (s *Summaries) row(sum *Summary) summaryRow {
	m := s.Measurements[sum.Measurement]
	r := summaryRow{
		SampleID: sum.SampleID.String(), Run: m.Run, Judge: m.Judge,
		MaxPrompt: m.Limits.MaxPrompt, MaxResponse: m.Limits.MaxResponse,
		Visits: sum.Visits, Known: sum.Known, Unknown: sum.Unknown, Successes: sum.Successes, ZeroVariance: sum.ZeroVariance,
		RewardSum: sum.Sum, Squares: sum.Squares, Alpha: sum.Alpha, Beta: sum.Beta,
		FirstPhase: sum.First.Phase, FirstStep: sum.First.Step, LastPhase: sum.Last.Phase, LastStep: sum.Last.Step,
	}
	r.Lower, r.Upper = sum.Interval()
	if t := m.Limits.Temperature; t.Known {
		r.Temperature = &t.Value
	}
	if sum.Known > 0 {
		mean := sum.Mean()
		r.Mean, r.LastMean = &mean, &sum.Last.Mean
	}
	return r
}
