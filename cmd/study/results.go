package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/train"
	"github.com/longctx/pipeline/train/metrics"
)

// goal is the Pass@1 on phase 2 that "steps to the goal" counts to.
const goal = 0.5

// phases of the dataset.
const phases = 2

// A result is what one run came to.
type result struct {
	Arm      string          `json:"arm"`
	Seed     int             `json:"seed"`
	Finished bool            `json:"finished"`
	Final    [phases]float64 `json:"pass_at_1"` // at its end, by phase; NaN is null
	ToGoal   *int64          `json:"steps_to_goal"`
	Entropy  float64         `json:"last_entropy"`
	Waste    float64         `json:"zero_variance_share"`
	Rollouts int64           `json:"rollouts"`
	Curve    [phases][]at    `json:"curves"`  // by phase
	Reward   []at            `json:"reward"`  // of the RL stages
	Spread   []at            `json:"entropy"` // the same
}

// at is a value after so many RL steps.
type at struct {
	Step  int64   `json:"step"`
	Value float64 `json:"value"`
}

// read collects what the folder of a run says.
func (s *study) read(a arm, seed int) (*result, error) {
	dir := dataset.Dir(filepath.Join(s.output, "runs", runName(a, seed)))
	data, err := fs.ReadFile(dir, "report.json")
	if errors.Is(err, fs.ErrNotExist) {
		return &result{Arm: a.Name, Seed: seed, Final: [phases]float64{math.NaN(), math.NaN()}}, nil
	}
	if err != nil {
		return nil, err
	}
	var report train.Report
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, err
	}
	records, err := metrics.Read(dir, ".")
	if err != nil {
		return nil, err
	}
	r := &result{Arm: a.Name, Seed: seed, Finished: report.Finished}
	r.evaluations(&report)
	r.records(&report, records)
	return r, nil
}

// evaluations takes the curves of the RL stages, on an axis of RL steps.
func (r *result) evaluations(report *train.Report) {
	before := int64(0)
	for _, stage := range report.Stages {
		if stage.Kind != train.RL {
			continue
		}
		for _, e := range stage.Evals {
			i := int(e.Phase) - 1
			if i < 0 || i >= phases {
				continue
			}
			step := before + e.StageStep
			r.Final[i] = float64(e.Avg.Mean)
			if n := len(r.Curve[i]); n > 0 && r.Curve[i][n-1].Step == step {
				r.Curve[i] = r.Curve[i][:n-1] // the end of a stage is the beginning of the next
			}
			r.Curve[i] = append(r.Curve[i], at{step, float64(e.Avg.Mean)})
			if i == phases-1 && r.ToGoal == nil && e.Avg.Mean >= goal {
				r.ToGoal = &step
			}
		}
		before += stage.Steps
		r.Rollouts += stage.Rollouts
	}
}

// records takes reward and entropy of the RL stages.
func (r *result) records(report *train.Report, records []metrics.Record) {
	rl := map[string]bool{}
	for _, stage := range report.Stages {
		rl[stage.Name] = stage.Kind == train.RL
	}
	step, waste, n := int64(0), 0.0, 0
	for i := range records {
		m := &records[i]
		if !rl[m.TrainStage] {
			continue
		}
		if m.Reward.Known {
			r.Reward = append(r.Reward, at{step, m.Reward.Value})
		}
		if m.Entropy.Known {
			r.Spread = append(r.Spread, at{step, m.Entropy.Value})
			r.Entropy = m.Entropy.Value
		}
		if m.ZeroVarianceShare.Known {
			waste += m.ZeroVarianceShare.Value
			n++
		}
		step++
	}
	if n > 0 {
		r.Waste = waste / float64(n)
	}
}

// results writes what all runs up to a seed came to.
func (s *study) results(chosen []arm, seeds int) error {
	all := map[string][]*result{}
	var list []*result
	for _, a := range chosen {
		for seed := 1; seed <= seeds; seed++ {
			r, err := s.read(a, seed)
			if err != nil {
				return fmt.Errorf("run %s: %w", runName(a, seed), err)
			}
			all[a.Name] = append(all[a.Name], r)
			list = append(list, r)
		}
	}
	out := dataset.Dir(s.output)
	data, err := json.MarshalIndent(map[string]any{"seeds": seeds, "goal": goal, "arms": summarize(chosen, all), "runs": list}, "", " ")
	if err != nil {
		return err
	}
	if _, err := dataset.WriteFile(out, "results.json", append(data, '\n')); err != nil {
		return err
	}
	if _, err := dataset.WriteFile(out, "table.md", []byte(table(chosen, all, seeds))); err != nil {
		return err
	}
	page, err := os.Create(s.at("study.html"))
	if err != nil {
		return err
	}
	return errors.Join(writePage(page, chosen, all, seeds), page.Close())
}
