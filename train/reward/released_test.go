package reward

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
)

// TestReleasedScorerComputesWhatTheReleasedCodeDoes compares with what the code of QwenLong-L1 at
// 38d0806 returned for the same texts, made up at random.
func TestReleasedScorerComputesWhatTheReleasedCodeDoes(t *testing.T) {
	s := scorer(t, Options{Scorer: QwenLongL1})
	f, err := os.Open("testdata/released.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var c struct {
			DataSource string `json:"data_source"`
			Response   string
			Reference  string
			Reward     float32
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		v := s.Score(Request{DataSource: c.DataSource, Response: c.Response, References: []string{c.Reference}})
		if v.Reward != Known(c.Reward) {
			t.Errorf("%s: %q for %q: reward %v (%s, answer %q), want %g", c.DataSource, c.Response, c.Reference, v.Reward, v.Reason, v.Answer, c.Reward)
		}
	}
	if n < 500 {
		t.Errorf("only %d cases", n)
	}
}
