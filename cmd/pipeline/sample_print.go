package main

import (
	"fmt"
	"io"
	"math"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

// message is what --json says of a plan.
func (s *sampler) message(plan *curriculum.Segment) any {
	h, a := &plan.Header, &plan.Account
	return struct {
		MessageType string             `json:"message_type"`
		Output      string             `json:"output"`
		Refused     string             `json:"refused_output"`
		PlanID      string             `json:"plan_id"`
		DatasetID   string             `json:"dataset_id"`
		Snapshot    string             `json:"snapshot"`
		Config      curriculum.Config  `json:"config"`
		Positions   int64              `json:"positions"`
		Outcomes    int64              `json:"outcomes"`
		Unvisited   int64              `json:"unvisited"`
		Drawn       []curriculum.Count `json:"drawn"`
		RefusedBy   []curriculum.Count `json:"refused"`
		GroupSize   int                `json:"group_size"`
		AllWrong    float64            `json:"expected_all_wrong"`
		AllRight    float64            `json:"expected_all_right"`
		Zero        float64            `json:"expected_zero_variance"`
		Oversample  float64            `json:"oversampling"`
		Worst       float64            `json:"worst_zero_variance"`
		WorstFirst  int64              `json:"worst_first"`
		Starves     bool               `json:"starves"`
		Reacts      bool               `json:"reacts"`
	}{
		"sample", s.output, curriculum.RefusedName(s.output), h.PlanID, h.DatasetID, h.Snapshot, h.Config, h.Rows, a.Outcomes, a.Unvisited,
		a.Drawn, a.Refused, a.GroupSize, a.AllWrong, a.AllRight, a.ZeroVariance(), a.Oversampling(), a.WorstShare, a.WorstFirst,
		a.Starves(), h.Config.Reacts(),
	}
}

// print tells a person what the plan holds, and on log what to beware of.
func (s *sampler) print(w, log io.Writer, plan *curriculum.Segment, snap *history.Snapshot) {
	h, a := &plan.Header, &plan.Account
	fmt.Fprintf(w, "%s: plan %.12s of phase %d, %s positions in %d epochs\n\n", s.output, h.PlanID, h.Config.Phase, cli.Count(h.Rows), h.Config.Epochs)
	rows := [][]string{{"drawn from", "why", "samples"}}
	for _, c := range a.Drawn {
		rows = append(rows, []string{s.origin(c.OriginPhase), c.Reason, cli.Count(c.Samples)})
	}
	cli.Table(w, rows)
	if len(a.Refused) > 0 {
		rows = [][]string{{"refused from", "by", "why", "samples"}}
		for _, c := range a.Refused {
			rows = append(rows, []string{s.origin(c.OriginPhase), c.Gate, c.Reason, cli.Count(c.Samples)})
		}
		fmt.Fprintln(w)
		cli.Table(w, rows)
	}
	fmt.Fprintln(w)
	if h.Rows == 0 {
		fmt.Fprintln(log, "pipeline: warning: the plan is empty: nothing qualifies")
		return
	}
	fmt.Fprintf(w, "expected of groups of %d: %.1f%% all wrong, %.1f%% all right; dynamic sampling will generate %.2f groups for each that it keeps, %.1f generation batches of %d for a batch of %d\n",
		a.GroupSize, 100*a.AllWrong, 100*a.AllRight, a.Oversampling(),
		math.Ceil(10*max(1, a.Oversampling()*float64(h.Config.Batch)/float64(h.Config.GenerationBatch())))/10, h.Config.GenerationBatch(), h.Config.Batch)
	if a.Unvisited > 0 && a.Outcomes > 0 {
		fmt.Fprintf(w, "%s of them have no known reward: they are expected to be as those that have\n", cli.Count(a.Unvisited))
	}
	switch {
	case snap.Empty():
		fmt.Fprintln(log, "pipeline: no reward history: every draw is uniform, no sample is known to have mean zero, and the expected cost is that of any rate being as likely")
	case a.Outcomes == 0:
		fmt.Fprintf(log, "pipeline: the history has no outcome that --source %s takes for phase %d: every draw is uniform\n", h.Config.Source, h.Config.Phase)
	}
	if h.Config.Reacts() {
		fmt.Fprintln(log, "pipeline: this curriculum reacts to rewards: the plan is what it would draw from today's history alone")
	}
	if a.Starves() {
		fmt.Fprintf(log, "pipeline: warning: from position %s on, %.0f%% of the groups are expected to give no signal: dynamic sampling may not fill a batch of %d within %d generation batches of %d, and trainers then stop (verl: num_gen_batches=%d, \"Generated too many\"); lower --ratio or --count, or add --gate quarantine_unlearnable\n",
			cli.Count(a.WorstFirst), 100*a.WorstShare, h.Config.Batch, curriculum.MaxGenerationBatches, h.Config.GenerationBatch(), curriculum.MaxGenerationBatches)
	}
}

func (s *sampler) origin(phase int32) string {
	if phase == s.config.Phase {
		return fmt.Sprintf("phase %d", phase)
	}
	return fmt.Sprintf("phase %d, retrospective", phase)
}
