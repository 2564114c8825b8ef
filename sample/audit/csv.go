package audit

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// csvColumns are in the order of csvRow.
var csvColumns = []string{
	"sample_id", "source_id", "source", "data_source", "phase", "prompt_length", "state",
	"visits", "known_visits", "rollouts", "unknown_rollouts", "successes", "zero_variance_visits", "last_phase", "last_step",
	"mean", "mean_lower", "mean_upper", "mean_rollouts", "pass_rate", "belief", "belief_lower", "belief_upper",
	"change", "change_lower", "change_upper", "change_from", "change_to",
	"retrospective_phase", "retrospective_visits", "mean_before", "mean_since", "became", "drawn_because",
	"judge_outages", "rescued", "contradicted",
}

// WriteCSV writes one line for every sample. What is unknown is empty.
func (f *Facts) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(csvColumns); err != nil {
		return err
	}
	for i := range f.Samples {
		if err := c.Write(csvRow(&f.Samples[i])); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func csvRow(s *Sample) []string {
	row := []string{
		s.ID.String(), cell(s.SourceID), cell(s.Source), cell(s.DataSource), whole(s.Phase), whole(s.PromptLength), s.State.String(),
		whole(s.Visits), whole(s.KnownVisits), whole(s.Rollouts), whole(s.Unknown), whole(s.Successes), whole(s.ZeroVariance),
		unlessNone(s.LastPhase), unlessNone(s.LastStep),
		number(s.Estimate.Mean), number(s.Estimate.Lower), number(s.Estimate.Upper), whole(s.Estimate.N), number(s.PassRate),
		number(s.Belief.Mean), number(s.Belief.Lower), number(s.Belief.Upper),
		number(s.Change.By), number(s.Change.Lower), number(s.Change.Upper), number(s.Change.From.Mean), number(s.Change.To.Mean),
	}
	if a := s.Again; a != nil {
		row = append(row, whole(a.Phase), whole(a.Visits), number(a.Change.From.Mean), number(a.Change.To.Mean), a.Became.String(), cell(a.Reason))
	} else {
		row = append(row, "", "0", "", "", "", "")
	}
	return append(row, whole(s.Outages), whole(s.Rescued), whole(s.Contradicted))
}

func whole[N int32 | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

func unlessNone(o Ordinal) string {
	if o == None {
		return ""
	}
	return whole(int64(o))
}

func number(v Value) string {
	if !v.Known() {
		return ""
	}
	return v.String()
}

// cell keeps a spreadsheet from taking a text of the input for a formula: what begins like one
// gets an apostrophe before it. Numbers stay as they are.
func cell(text string) string {
	if text == "" || !strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return text
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return text
	}
	return "'" + text
}
