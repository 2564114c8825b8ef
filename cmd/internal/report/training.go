package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/longctx/pipeline/train"
	"github.com/longctx/pipeline/train/metrics"
)

//go:embed training.tmpl
var trainingText string

var trainingPage = template.Must(template.Must(page.Clone()).Parse(trainingText))

// A Training is what the page of a run draws.
type Training struct {
	Report  *train.Report
	Records []metrics.Record
	Audit   string // where the audit of the dataset is; empty: there is none

	Title   string
	Style   template.CSS
	Script  template.JS
	Policy  string
	Figures []TrainingFigure
}

// A TrainingFigure is one set of curves.
type TrainingFigure struct {
	ID, Title string
	*Figure
}

// WriteTraining draws a run as one HTML file.
func WriteTraining(w io.Writer, t Training) error {
	t.Title = "Training of " + line(t.Report.Run)
	t.Style, t.Script, t.Policy = template.CSS(style), template.JS(script), policy()
	for _, c := range []struct {
		id, title, y, note string
		unit               bool
		lines              []Line
	}{
		{
			"accuracy", "Pass@1 on held-out samples", "Pass@1",
			"One curve for each set of samples that no plan draws, with its 95 % interval.", true, evaluations(t.Report),
		},
		{
			"reward", "Reward", "mean reward", "The mean of the known, unshaped rewards; samples that come back from earlier phases have a curve of their own.", true,
			t.curves(measure{"own and all", func(r *metrics.Record) metrics.Number { return r.Reward }},
				measure{"retrospective", func(r *metrics.Record) metrics.Number { return r.RetrospectiveReward }}),
		},
		{"sft", "Accuracy of the warm-up", "share of tokens", "Response tokens of the training samples that are the likeliest ones.", true, t.curves(measure{"", func(r *metrics.Record) metrics.Number { return r.Accuracy }})},
		{"loss", "Loss", "loss", "What the optimizer made smaller; the losses of a warm-up and of RL are not comparable.", false, t.curves(measure{"", func(r *metrics.Record) metrics.Number { return r.Loss }})},
		{"entropy", "Entropy", "nats", "Per response token, at the temperature of the rollouts.", false, t.curves(measure{"", func(r *metrics.Record) metrics.Number { return r.Entropy }})},
		{"waste", "Groups without a signal", "share", "Groups whose known rewards are all equal.", true, t.curves(measure{"", func(r *metrics.Record) metrics.Number { return r.ZeroVarianceShare }})},
		{"kl", "KL to the reference", "nats", "Per response token.", false, t.curves(measure{"", func(r *metrics.Record) metrics.Number { return r.KL }})},
		{"length", "Length of responses", "tokens", "Mean of the step.", false, t.curves(measure{"", func(r *metrics.Record) metrics.Number { return r.ResponseLength }})},
	} {
		fig, err := Curves("training-"+c.id, c.title, "step", c.y, c.note, c.unit, c.lines)
		if err != nil {
			return err
		}
		if fig != nil {
			t.Figures = append(t.Figures, TrainingFigure{c.id, c.title, fig})
		}
	}
	return trainingPage.ExecuteTemplate(w, "training", &t)
}

// measure is one number of a record. The second of two is drawn dashed.
type measure struct {
	name string
	of   func(*metrics.Record) metrics.Number
}

// trainingPoints is how many points a curve has at most; each is a mean of as many steps.
const trainingPoints = 150

// curves returns a line for each training stage and measure.
func (t *Training) curves(measures ...measure) (lines []Line) {
	per := (len(t.Records) + trainingPoints - 1) / trainingPoints
	for _, s := range t.Report.Stages {
		for i, m := range measures {
			l := Line{Name: s.Name, Ink: int(s.Phase), Dashed: i > 0}
			if m.name != "" {
				l.Name = fmt.Sprintf("%s, %s", s.Name, m.name)
			}
			sum, n, steps := 0.0, 0, 0
			for j := range t.Records {
				r := &t.Records[j]
				if r.TrainStage != s.Name {
					continue
				}
				if v := m.of(r); v.Known {
					sum += v.Value
					n++
				}
				if steps++; steps == per || j+1 == len(t.Records) || t.Records[j+1].TrainStage != s.Name {
					if n > 0 {
						l.Points = append(l.Points, Point{X: float64(r.Step), Y: sum / float64(n)})
					}
					sum, n, steps = 0, 0, 0
				}
			}
			if len(l.Points) > 0 {
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// evaluations returns a line for each set of held-out samples.
func evaluations(r *train.Report) (lines []Line) {
	at := map[string]int{}
	for _, s := range r.Stages {
		for _, e := range s.Evals {
			i, ok := at[e.Name]
			if !ok {
				i = len(lines)
				at[e.Name] = i
				ink := int(e.Phase)
				if ink == 0 {
					ink = 2 + i // a level of the warm-up
				}
				lines = append(lines, Line{Name: e.Name, Ink: ink, Dashed: e.Phase == 0})
			}
			lines[i].Points = append(lines[i].Points, Point{float64(e.Step), float64(e.Avg.Mean), float64(e.Avg.Lower), float64(e.Avg.Upper), true})
		}
	}
	return lines
}
