package eval

import (
	"testing"

	"github.com/longctx/pipeline/dataset/faultfs"
)

// The scored responses, the tables and the report of given rollouts.
func TestSweepOfAnEvaluationOfGivenRollouts(t *testing.T) {
	faultfs.Sweep(t, faultfs.New, func(out *faultfs.FS) error {
		groups, file, err := ScoreGiven(t.Context(), out, rules{}, 1, rolloutsOf(
			&Rollout{SampleID: "a", Response: "right"}, &Rollout{SampleID: "a", Response: "wrong"}, &Rollout{SampleID: "b", Response: "right"},
		), new(Progress))
		if err != nil {
			return err
		}
		return NewReport(groups, 0, Scoring{}, 1).Write(out, groups, file)
	})
}
