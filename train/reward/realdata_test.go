package reward

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestStrictAgreesWithLabelledResponses scores 800 responses of a policy to MATH questions, of
// which it is known whether they are right. Precision matters: a judge comes after.
func TestStrictAgreesWithLabelledResponses(t *testing.T) {
	dir := os.Getenv("PIPELINE_REAL_DATA")
	if dir == "" {
		t.Skip("PIPELINE_REAL_DATA is not set")
	}
	f, err := os.Open(filepath.Join(dir, "rewards", "qwen25math_math100_n8.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := scorer(t, Options{})
	var truePositive, falsePositive, falseNegative, trueNegative float64
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row struct {
			ID, Question, Gold string
			Responses          []string
			Rewards            []float32
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		for i, response := range row.Responses {
			v := s.Score(Request{DataSource: "qwen25math", Question: row.Question, Response: response, References: []string{row.Gold}})
			switch right := row.Rewards[i] == 1; {
			case v.Reward.Value == 1 && right:
				truePositive++
			case v.Reward.Value == 1:
				falsePositive++
				t.Logf("%s response %d: %q for %q is wrong by its label, right by the rule: %s", row.ID, i, v.Answer, row.Gold, v.Reason)
			case right:
				falseNegative++
				t.Logf("%s response %d: %q for %q is right by its label, wrong by the rule: %s", row.ID, i, v.Answer, row.Gold, v.Reason)
			default:
				trueNegative++
			}
		}
	}
	precision, recall := truePositive/(truePositive+falsePositive), truePositive/(truePositive+falseNegative)
	t.Logf("%g right and %g wrong by both, %g by the rule only, %g by the label only: precision %.4f, recall %.4f",
		truePositive, trueNegative, falsePositive, falseNegative, precision, recall)
	if truePositive+trueNegative+falsePositive+falseNegative != 800 || precision < 0.995 || recall < 0.97 {
		t.Errorf("precision %.4f, recall %.4f; floors are 0.995 and 0.97", precision, recall)
	}
}
