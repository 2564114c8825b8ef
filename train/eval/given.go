package eval

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/longctx/pipeline/dataset"
)

// A given is a line of rollouts that another program wrote. Names that several programs use are
// taken alike.
type given struct {
	Rollout
	ID         string `json:"id"`
	Output     string `json:"output"`
	Reference  texts  `json:"reference"`
	References texts  `json:"references"`
	Gold       texts  `json:"gts"`
}

// texts is one text or a list of them; a number is its text.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		if string(data) != "null" {
			*t = texts{one}
		}
		return nil
	}
	var n json.Number
	if json.Unmarshal(data, &n) == nil {
		*t = texts{n.String()}
		return nil
	}
	var many []string
	if err := json.Unmarshal(data, &many); err != nil {
		return errors.New("a reference is neither a text nor a list of texts")
	}
	*t = many
	return nil
}

// Given reads rollouts that are there already, to be scored. Lines of a sample need not follow
// each other. A sample without an id is known by its task, question and references. names are
// for errors.
func Given(names []string, files []io.Reader) iter.Seq2[*Rollout, error] {
	return func(yield func(*Rollout, error) bool) {
		seen := map[groupKey]int{}
		for i, f := range files {
			n := 0
			for line, err := range lines(f) {
				n++
				if err == nil && len(bytes.TrimSpace(line)) == 0 {
					continue
				}
				var g given
				if err == nil {
					err = json.Unmarshal(line, &g)
				}
				if err != nil {
					yield(nil, fmt.Errorf("%s, line %d: %w", names[i], n, err))
					return
				}
				r := g.rollout()
				k := groupKey{r.SampleID, r.Step}
				r.Index = seen[k]
				seen[k]++
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// ScoreGiven scores given rollouts and writes rollouts.jsonl.
func ScoreGiven(ctx context.Context, out dataset.FS, g Grader, workers int, rollouts iter.Seq2[*Rollout, error], p *Progress) (*Groups, dataset.File, error) {
	return grade(ctx, out, g, workers, rollouts, p)
}

func (g *given) rollout() *Rollout {
	r := g.Rollout
	if r.Response == "" {
		r.Response = g.Output
	}
	for _, more := range []texts{g.Reference, g.References, g.Gold} {
		if len(r.Answers) == 0 {
			r.Answers = more
		}
	}
	if r.SampleID == "" {
		r.SampleID = g.ID
	}
	if r.SampleID == "" {
		h := sha256.New()
		for _, text := range append([]string{r.DataSource, r.Question}, r.Answers...) {
			fmt.Fprintf(h, "%d\x00%s", len(text), text)
		}
		r.SampleID = hex.EncodeToString(h.Sum(nil)[:16])
	}
	r.earnNothing()
	return &r
}

// earnNothing forgets what another program said of the rewards.
func (r *Rollout) earnNothing() {
	r.Reward, r.RuleReward, r.JudgeReward, r.Answer, r.Reason = nil, nil, nil, "", ""
}

// Join fills in what given rollouts lack from the samples of a dataset: task, question and
// references. A sample that the dataset lacks keeps what it has.
func (r *Run) Join(ctx context.Context, rollouts iter.Seq2[*Rollout, error]) iter.Seq2[*Rollout, error] {
	return func(yield func(*Rollout, error) bool) {
		known := map[string]*textQuestion{}
		for q, err := range r.questions(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			c := *q
			known[c.SampleID] = &c
		}
		for one, err := range rollouts {
			if err == nil {
				if q := known[one.SampleID]; q != nil {
					one.SourceID, one.DataSource, one.Question, one.Answers = q.SourceID, q.DataSource, q.Text, q.Answers
				}
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}
