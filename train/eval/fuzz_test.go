package eval

import (
	"bytes"
	"io"
	"testing"
)

// FuzzGiven: any bytes are rollouts or an error with their line, and each rollout has a sample.
func FuzzGiven(f *testing.F) {
	for _, text := range []string{
		`{"sample_id":"1","data_source":"docmath","question":"q","answers":["7"],"response":"7"}`, `{"id":"1","output":"x","gts":7}`,
		`{"question":"q","references":["a",1]}`, `{"reference":null,"response":"x","index":-1,"step":-5}`, "\n\n{}", `{"response":"x","reward":1e999}`, "{",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		groups := newGroups()
		for r, err := range Given([]string{"fuzz.jsonl"}, []io.Reader{bytes.NewReader(data)}) {
			if err != nil {
				return
			}
			if r.SampleID == "" {
				t.Errorf("a rollout of no sample: %+v", r)
			}
			groups.add(r)
		}
		NewReport(groups, 0, Scoring{}, 1)
	})
}
