package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/estimate"
	"github.com/longctx/pipeline/sample/history"
)

// backtest walks forward through the history of a dataset and says on w which estimator
// predicts best: with asJSON one object a line for each estimator, else a table. It is the
// work of `audit --backtest`; mix walks all measurements as one.
func backtest(ctx context.Context, w io.Writer, dir string, asJSON, mix bool) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	snap, err := history.Read(dataset.Dir(dir))
	if err != nil {
		return explainHistory(fmt.Errorf("backtest %s: %w", dir, err))
	}
	task, err := tasksOf(ctx, dir, m)
	if err != nil {
		return explain(fmt.Errorf("backtest %s: %w", dir, err))
	}
	var visits []history.Visit
	for block, err := range snap.Visits(ctx, history.Filter{}) {
		if err != nil {
			return explainHistory(fmt.Errorf("backtest %s: %w", dir, err))
		}
		visits = append(visits, block...)
	}
	r := estimate.Backtest(visits, estimate.Options{Task: task, Mix: mix})
	if asJSON {
		return printBacktestJSON(w, r)
	}
	printBacktest(w, r)
	return nil
}

// tasksOf returns the task of each sample of a dataset, -1 for strangers and where the dataset
// has no phases yet.
func tasksOf(ctx context.Context, dir string, m *dataset.Manifest) (func(history.SampleID) int32, error) {
	if m.Stage != dataset.StageBucket {
		return nil, nil
	}
	table, err := curriculum.ReadTable(ctx, dataset.Dir(dir), m, 0)
	if err != nil {
		return nil, err
	}
	tasks := make(map[history.SampleID]int32, len(table.Samples))
	for _, s := range table.Samples {
		tasks[s.ID] = s.Task
	}
	return func(id history.SampleID) int32 {
		if t, ok := tasks[id]; ok {
			return t
		}
		return -1
	}, nil
}

// number is a JSON number, null where it is none.
func number(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func printBacktestJSON(w io.Writer, r estimate.Report) error {
	type bin struct {
		From        float64  `json:"from"`
		To          float64  `json:"to"`
		Predictions int64    `json:"predictions"`
		Predicted   *float64 `json:"predicted"`
		Observed    *float64 `json:"observed"`
	}
	enc := json.NewEncoder(w)
	for _, s := range r.Scores {
		var table []bin
		for _, b := range s.Calibration {
			table = append(table, bin{b.From, b.To, b.Predictions, number(b.Predicted), number(b.Observed)})
		}
		if err := enc.Encode(struct {
			MessageType string   `json:"message_type"`
			Estimator   string   `json:"estimator"`
			MSE         *float64 `json:"mse"`
			LogLoss     *float64 `json:"log_loss"`
			Coverage    *float64 `json:"coverage"`
			Predictions int64    `json:"predictions"`
			Default     bool     `json:"default"`
			BelowLast   *float64 `json:"below_last_mean"`
			BelowLastSE *float64 `json:"below_last_mean_se"`
			Noise       *float64 `json:"noise"`
			Calibration []bin    `json:"calibration"`
		}{
			"backtest", s.Estimator, number(s.MSE), number(s.LogLoss), number(s.Coverage), s.Predictions, s.Default,
			number(s.BelowLast), number(s.BelowLastSE), number(r.Noise), table,
		}); err != nil {
			return err
		}
	}
	return nil
}

func printBacktest(w io.Writer, r estimate.Report) {
	at := slices.IndexFunc(r.Scores, func(s estimate.Score) bool { return s.Default })
	if at < 0 || r.Scores[at].Predictions == 0 {
		fmt.Fprintln(w, "no sample was visited twice: there is nothing to predict")
		return
	}
	fmt.Fprintf(w, "%s predictions of %s visits to %s samples under %d measurements\n\n",
		cli.Count(r.Scores[at].Predictions), cli.Count(r.Visits), cli.Count(r.Samples), r.Measurements)
	rows := [][]string{{"estimator", "squared error", "below last mean", "log loss", "coverage of 95%"}}
	for _, s := range r.Scores {
		name := s.Estimator
		if s.Default {
			name += " (default)"
		}
		rows = append(rows, []string{
			name, fmt.Sprintf("%.5f", s.MSE), fmt.Sprintf("%.1f%% ± %.1f", 100*s.BelowLast, 196*s.BelowLastSE),
			fmt.Sprintf("%.4f", s.LogLoss), fmt.Sprintf("%.1f%%", 100*s.Coverage),
		})
	}
	cli.Table(w, rows)
	fmt.Fprintf(w, "\nthe noise within groups alone makes a squared error of %.5f\n\n", r.Noise)
	rows = [][]string{{"predicted by " + r.Scores[at].Estimator, "predictions", "mean prediction", "mean observed"}}
	for _, b := range r.Scores[at].Calibration {
		if b.Predictions > 0 {
			rows = append(rows, []string{
				fmt.Sprintf("[%.1f, %.1f)", b.From, b.To), cli.Count(b.Predictions), fmt.Sprintf("%.3f", b.Predicted), fmt.Sprintf("%.3f", b.Observed),
			})
		}
	}
	cli.Table(w, rows)
}
