package audit

import (
	"bufio"
	"encoding/json"
	"io"
)

func marshal(v any) ([]byte, error) { return json.Marshal(v) }

// MarshalJSON writes the measurement with its phase.
func (m MeasuredUnder) MarshalJSON() ([]byte, error) {
	return marshal(map[string]any{
		"run": m.Run, "phase": m.Phase, "judge": m.Judge, "max_prompt": m.Limits.MaxPrompt, "max_response": m.Limits.MaxResponse,
		"temperature": m.Limits.Temperature, "outcomes": m.Outcomes,
	})
}

// WriteJSON writes the facts as lines with a message_type: audit first, then finding, set, step,
// trend, expected, judge, retrospective, plan, and one line for every sample. What is unknown is null.
func (f *Facts) WriteJSON(w io.Writer) error {
	b := bufio.NewWriter(w)
	l := lines{enc: json.NewEncoder(b)}
	l.enc.SetEscapeHTML(false)
	l.write(struct {
		Type       string     `json:"message_type"`
		Dataset    Dataset    `json:"dataset"`
		History    History    `json:"history"`
		Thresholds Thresholds `json:"thresholds"`
		Totals     Totals     `json:"totals"`
		Asks       bool       `json:"findings"` // whether one asks for a person
	}{"audit", f.Dataset, f.History, f.Thresholds, f.Totals, f.Asks()})
	writeAll(&l, "finding", f.Findings)
	writeAll(&l, "set", f.Sets)
	writeAll(&l, "step", f.Steps)
	writeAll(&l, "trend", f.Trends)
	writeAll(&l, "expected", f.Expected)
	writeAll(&l, "judge", []Judge{f.Judge})
	writeAll(&l, "retrospective", []Retrospective{f.Retrospective})
	writeAll(&l, "plan", f.Plans)
	writeAll(&l, "sample", f.Samples)
	if l.err != nil {
		return l.err
	}
	return b.Flush()
}

// lines keeps the first error.
type lines struct {
	enc *json.Encoder
	err error
}

func (l *lines) write(v any) {
	if l.err == nil {
		l.err = l.enc.Encode(v)
	}
}

func writeAll[T any](l *lines, kind string, all []T) {
	for i := range all {
		if l.err != nil {
			return
		}
		fields, err := json.Marshal(&all[i])
		if err != nil {
			l.err = err
			return
		}
		// fields is an object: its brace gives way to the type.
		line := append([]byte(`{"message_type":"`+kind+`",`), fields[1:]...)
		l.write(json.RawMessage(line))
	}
}
