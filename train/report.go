package train

import (
	"encoding/json"

	"github.com/longctx/pipeline/dataset"
)

const reportName = "report.json"

// A Report says what a run has done so far.
type Report struct {
	Run       string        `json:"run"`
	DatasetID string        `json:"dataset_id"`
	Model     string        `json:"model"` // Example: "nano, 95,040 parameters"
	Finished  bool          `json:"finished"`
	Stages    []StageReport `json:"stages"`
}

// A StageReport is the line of a stage.
type StageReport struct {
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	Phase  int32  `json:"phase"`
	Runner string `json:"runner"`
	Ended  string `json:"ended"` // why it did; empty: it has not

	First   int64   `json:"first_step"` // of the run
	Steps   int64   `json:"steps"`
	Updates int64   `json:"updates"` // of the weights
	Tokens  int64   `json:"tokens"`  // trained on
	Seconds float64 `json:"seconds"`

	Groups       int64 `json:"groups"` // generated
	Trained      int64 `json:"trained_groups"`
	ZeroVariance int64 `json:"zero_variance_groups"`
	Rollouts     int64 `json:"rollouts"`
	Unknown      int64 `json:"unknown_rewards"`
	Retro        int64 `json:"retrospective_groups"`

	Levels []LevelReport `json:"levels,omitempty"`
	Evals  []Evaluation  `json:"evaluations"`
}

// A LevelReport says how a level of a length curriculum ended.
type LevelReport struct {
	MaxPrompt int32   `json:"max_prompt"`
	Steps     int64   `json:"steps"`
	Accuracy  float64 `json:"accuracy"` // Pass@1 on held-out samples of the level
	Reached   bool    `json:"reached"`  // its aim
}

func (r *run) report() Report {
	out := Report{Run: r.Run, DatasetID: r.manifest.ID, Model: r.policy.name(), Finished: r.state.Stage >= len(r.Stages), Stages: r.state.Done}
	if !out.Finished && r.state.StageStep > 0 {
		out.Stages = append(out.Stages[:len(out.Stages):len(out.Stages)], r.state.Current)
	}
	return out
}

// writeReport keeps the report beside the checkpoints.
func (r *run) writeReport() error {
	data, err := json.MarshalIndent(r.report(), "", "  ")
	if err != nil {
		return err
	}
	_, err = dataset.WriteFile(r.Folder, reportName, append(data, '\n'))
	return err
}
